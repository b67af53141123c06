import { createHash, type Hash } from 'node:crypto';

/** The name of some content: a hash algorithm and the hash in lower-case hexadecimal. */
export type Digest = `sha256:${string}` | `sha512:${string}`;

/** Tells whether a text is a digest of an algorithm that this package can verify. */
export function isDigest(text: string): text is Digest {
  return /^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/.test(text);
}

/** The two halves of a digest, checked to be safe as names of a directory and a file. */
export function splitDigest(digest: Digest): { algorithm: 'sha256' | 'sha512'; hex: string } {
  if (!isDigest(digest)) throw new TypeError(`not a digest: ${JSON.stringify(digest)}`);
  const [algorithm, hex] = digest.split(':', 2);
  return { algorithm: algorithm === 'sha512' ? 'sha512' : 'sha256', hex: hex ?? '' };
}

/** A running hash that ends in a digest of the same algorithm as the expected one. */
export class DigestHash {
  readonly #algorithm: 'sha256' | 'sha512';
  readonly #hash: Hash;

  constructor(algorithm: 'sha256' | 'sha512') {
    this.#algorithm = algorithm;
    this.#hash = createHash(algorithm);
  }

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  digest(): Digest {
    return `${this.#algorithm}:${this.#hash.digest('hex')}`;
  }
}

export function digestOf(bytes: Uint8Array, algorithm: 'sha256' | 'sha512' = 'sha256'): Digest {
  const hash = new DigestHash(algorithm);
  hash.update(bytes);
  return hash.digest();
}
