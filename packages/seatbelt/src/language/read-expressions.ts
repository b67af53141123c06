import { ZlayerError } from '@zlayer/runtime-core';
import { profileError } from './profile-error.ts';

/** What a profile consists of. `line` counts from 1. */
export type Expression =
  | { kind: 'list'; items: Expression[]; line: number; start: number; end: number }
  | { kind: 'string' | 'regex' | 'symbol'; value: string; line: number };

/** A comment that has a line of its own, without its semicolons. */
export interface Comment {
  line: number;
  text: string;
}

const MAX_PROFILE_LENGTH = 1024 * 1024;
const MAX_DEPTH = 32;
const BLANK = /\s/;
const END_OF_SYMBOL = /[\s()";]/;
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' };

/**
 * Reads the text of a profile: lists, strings, `#"regular expressions"`, symbols and comments.
 *
 * @throws ZlayerError `INVALID_SPEC` that names the line.
 */
export function readExpressions(text: string): { expressions: Expression[]; comments: Comment[] } {
  if (text.length > MAX_PROFILE_LENGTH) {
    throw new ZlayerError('INVALID_SPEC', `a profile has at most ${MAX_PROFILE_LENGTH} characters`);
  }
  return new ExpressionReader(text).all();
}

class ExpressionReader {
  readonly #text: string;
  readonly #comments: Comment[] = [];
  #at = 0;
  #line = 1;
  #lineIsBlank = true;

  constructor(text: string) {
    this.#text = text;
  }

  all(): { expressions: Expression[]; comments: Comment[] } {
    const expressions: Expression[] = [];
    for (this.#skipBlanks(); this.#at < this.#text.length; this.#skipBlanks()) expressions.push(this.#expression(0));
    return { expressions, comments: this.#comments };
  }

  #expression(depth: number): Expression {
    this.#lineIsBlank = false;
    const next = this.#text.charAt(this.#at);
    if (next === '(') return this.#list(depth);
    if (next === ')') throw profileError(this.#line, 'a parenthesis is closed that was not opened');
    if (next === '"') return this.#string();
    if (this.#text.startsWith('#"', this.#at)) return this.#regex();
    return this.#symbol();
  }

  #list(depth: number): Expression {
    const line = this.#line;
    const start = this.#at;
    if (depth === MAX_DEPTH) throw profileError(line, `lists are nested more than ${MAX_DEPTH} deep`);
    this.#at += 1;
    const items: Expression[] = [];
    for (this.#skipBlanks(); this.#text.charAt(this.#at) !== ')'; this.#skipBlanks()) {
      if (this.#at >= this.#text.length) throw profileError(line, 'a parenthesis is not closed');
      items.push(this.#expression(depth + 1));
    }
    this.#at += 1;
    return { kind: 'list', items, line, start, end: this.#at };
  }

  #string(): Expression {
    const line = this.#line;
    let value = '';
    for (this.#at += 1; ; ) {
      const character = this.#take(line);
      if (character === '"') return { kind: 'string', value, line };
      if (character !== '\\') {
        value += character;
        continue;
      }
      const escaped = this.#take(line);
      value += ESCAPES[escaped] ?? escaped;
    }
  }

  /** Backslashes belong to the expression; only a quote ends it. */
  #regex(): Expression {
    const line = this.#line;
    let value = '';
    for (this.#at += 2; ; ) {
      const character = this.#take(line);
      if (character === '"') return { kind: 'regex', value, line };
      value += character;
    }
  }

  #symbol(): Expression {
    const start = this.#at;
    while (this.#at < this.#text.length && !END_OF_SYMBOL.test(this.#text.charAt(this.#at))) this.#at += 1;
    return { kind: 'symbol', value: this.#text.slice(start, this.#at), line: this.#line };
  }

  #take(stringLine: number): string {
    if (this.#at >= this.#text.length) throw profileError(stringLine, 'a string is not closed');
    const character = this.#text.charAt(this.#at);
    this.#at += 1;
    if (character === '\n') this.#newLine();
    return character;
  }

  #skipBlanks(): void {
    while (this.#at < this.#text.length) {
      const character = this.#text.charAt(this.#at);
      if (character === ';') this.#comment();
      else if (!BLANK.test(character)) return;
      else {
        this.#at += 1;
        if (character === '\n') this.#newLine();
      }
    }
  }

  #comment(): void {
    const newline = this.#text.indexOf('\n', this.#at);
    const end = newline < 0 ? this.#text.length : newline;
    const text = this.#text.slice(this.#at, end).replace(/^;+/, '').trim();
    if (this.#lineIsBlank) this.#comments.push({ line: this.#line, text });
    this.#at = end;
  }

  #newLine(): void {
    this.#line += 1;
    this.#lineIsBlank = true;
  }
}
