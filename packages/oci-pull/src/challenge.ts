/** One challenge of a `WWW-Authenticate` header; parameter names are in lower case. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

/** Parses `WWW-Authenticate`, which may come several times and may hold several challenges. */
export function parseChallenges(header: string | string[] | undefined): Challenge[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  const token = /\s*,?\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+)))?/y;
  for (const text of header === undefined ? [] : [header].flat()) {
    token.lastIndex = 0;
    for (let match = token.exec(text); match !== null; match = token.exec(text)) {
      const name = (match[1] ?? '').toLowerCase();
      const value = match[2]?.replace(/\\(.)/g, '$1') ?? match[3];
      if (value === undefined) challenges.push({ scheme: name, parameters: new Map() });
      else challenges.at(-1)?.parameters.set(name, value);
    }
  }
  return challenges;
}
