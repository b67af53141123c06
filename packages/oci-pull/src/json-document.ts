import { type Digest, isDigest } from './digest.ts';
import { OciError, type OciErrorReason } from './errors.ts';

type JsonObject = { readonly [key: string]: unknown };

/** Reads an untrusted JSON document field by field; whatever has the wrong shape is an error that names the field. */
export class JsonDocument {
  readonly #object: JsonObject;
  readonly #what: string;
  readonly #path: string;
  readonly #reason: OciErrorReason;

  private constructor(object: JsonObject, what: string, path: string, reason: OciErrorReason) {
    this.#object = object;
    this.#what = what;
    this.#path = path;
    this.#reason = reason;
  }

  /** @param what Names the document in errors, such as "the manifest sha256:…". */
  static parse(bytes: Uint8Array, what: string, reason: OciErrorReason): JsonDocument {
    let value: unknown;
    try {
      value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    } catch {
      // The parser's own error quotes the text, which may hold secrets.
      throw new OciError(reason, `${capitalised(what)} is not JSON.`, { subject: what });
    }
    if (!isObject(value)) throw new OciError(reason, `${capitalised(what)} is not a JSON object.`, { subject: what });
    return new JsonDocument(value, what, '', reason);
  }

  static from(source: JsonObject, what: string, reason: OciErrorReason): JsonDocument {
    return new JsonDocument(source, what, '', reason);
  }

  /** The whole object as it was read. */
  get source(): JsonObject {
    return this.#object;
  }

  /** Null counts as absent: writers in Go leave empty fields as null. */
  has(key: string): boolean {
    return this.#value(key) !== undefined;
  }

  string(key: string): string {
    const value = this.#value(key);
    if (typeof value !== 'string' || value.includes('\0')) throw this.fault(key, 'a text');
    return value;
  }

  optionalString(key: string): string | undefined {
    return this.has(key) ? this.string(key) : undefined;
  }

  /** A number of bytes or the like: not negative, exact in a double. */
  count(key: string): number {
    const value = this.#value(key);
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw this.fault(key, 'a size');
    return value;
  }

  digest(key: string): Digest {
    const value = this.string(key);
    if (!isDigest(value)) throw this.fault(key, 'a sha256 or sha512 digest');
    return value;
  }

  /** Texts of an array; an absent field has none. */
  strings(key: string): string[] {
    return this.#array(key).map((item) => {
      if (typeof item !== 'string' || item.includes('\0')) throw this.fault(key, 'a list of texts');
      return item;
    });
  }

  /** Documents of an array; an absent field has none. */
  documents(key: string): JsonDocument[] {
    return this.#array(key).map((item, index) => {
      if (!isObject(item)) throw this.fault(key, 'a list of objects');
      return new JsonDocument(item, this.#what, `${this.#path}${key}[${index}].`, this.#reason);
    });
  }

  document(key: string): JsonDocument {
    const value = this.#value(key);
    if (!isObject(value)) throw this.fault(key, 'an object');
    return new JsonDocument(value, this.#what, `${this.#path}${key}.`, this.#reason);
  }

  optionalDocument(key: string): JsonDocument | undefined {
    return this.has(key) ? this.document(key) : undefined;
  }

  /** A map from texts to texts; an absent field is empty. */
  stringMap(key: string): Record<string, string> {
    const map: Record<string, string> = Object.create(null);
    for (const [name, value] of Object.entries(this.#optionalObject(key))) {
      if (typeof value !== 'string') throw this.fault(key, 'a map of texts');
      map[name] = value;
    }
    return map;
  }

  /** The keys of an object; an absent field has none. */
  keys(key: string): string[] {
    return Object.keys(this.#optionalObject(key));
  }

  fault(key: string, expected: string): OciError {
    return new OciError(this.#reason, `In ${this.#what}, ${this.#path}${key} is not ${expected}.`, {
      subject: this.#what,
    });
  }

  #value(key: string): unknown {
    return Object.hasOwn(this.#object, key) ? (this.#object[key] ?? undefined) : undefined;
  }

  #array(key: string): unknown[] {
    const value = this.#value(key) ?? [];
    if (!Array.isArray(value)) throw this.fault(key, 'a list');
    return value;
  }

  #optionalObject(key: string): JsonObject {
    const value = this.#value(key) ?? {};
    if (!isObject(value)) throw this.fault(key, 'an object');
    return value;
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
