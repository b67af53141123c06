import { quoteString } from './language/quote-string.ts';

/** Collects the text of a profile and the parameters that it names. */
export class ProfileText {
  readonly #lines: string[] = [];
  readonly #parameters: Record<string, string> = {};
  readonly #denialSuffix: readonly string[];

  /** @param tag what the log adds to denials. */
  constructor(tag: string | undefined) {
    this.#denialSuffix = tag === undefined ? [] : [`(with message ${quoteString(tag)})`];
  }

  /** @param title constant text or numbers: what users write never stands in a comment. */
  section(title: string): void {
    this.#lines.push('', `; ${title}`);
  }

  line(text: string): void {
    this.#lines.push(text);
  }

  rule(action: 'allow' | 'deny', operations: readonly string[], filters: readonly string[] = []): void {
    const parts = action === 'deny' ? [...filters, ...this.#denialSuffix] : filters;
    const head = `(${action} ${operations.join(' ')}`;
    const [only] = parts;
    if (only === undefined) this.line(`${head})`);
    else if (filters.length <= 1) this.line(`${head} ${parts.join(' ')})`);
    else this.line(`${head}\n  ${parts.join('\n  ')})`);
  }

  /** Sets a parameter, and gives the expression that stands for its value. */
  parameter(name: string, value: string): string {
    this.#parameters[name] = value;
    return `(param ${quoteString(name)})`;
  }

  finish(): { text: string; parameters: Readonly<Record<string, string>> } {
    return { text: `${this.#lines.join('\n')}\n`, parameters: this.#parameters };
  }
}

/** Filters of one kind, for constants. */
export function filters(kind: string, values: readonly string[]): string[] {
  return values.map((value) => `(${kind} ${quoteString(value)})`);
}
