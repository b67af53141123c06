import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..');
const ENTRIES = {
  index: 'src/index.ts',
  errors: 'src/errors.ts',
  fake: 'src/fake/index.ts',
  conformance: 'src/conformance/index.ts',
} as const;

/** Names that a module exports, and those among them without a docstring. */
function exportsOf(program: ts.Program, path: string): { names: string[]; bare: string[] } {
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(join(ROOT, path));
  const module = source && checker.getSymbolAtLocation(source);
  if (!module) throw new Error(`${path} is no module`);
  const symbols = checker.getExportsOfModule(module);
  const bare = symbols.filter((symbol) => {
    const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
    return ts.displayPartsToString(target.getDocumentationComment(checker)).trim() === '';
  });
  return { names: symbols.map(({ name }) => name), bare: bare.map(({ name }) => name) };
}

test('every exported name says what it is', { timeout: 60_000 }, () => {
  const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), (path) => readFileSync(path, 'utf8'));
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
  const program = ts.createProgram({
    rootNames: Object.values(ENTRIES).map((path) => join(ROOT, path)),
    options: { ...options, noResolve: false, types: ['node'], skipLibCheck: true },
  });
  for (const [entry, path] of Object.entries(ENTRIES)) {
    const { names, bare } = exportsOf(program, path);
    expect(names.length, entry).toBeGreaterThan(3);
    expect(bare, `of ${entry}`).toEqual([]);
  }
});
