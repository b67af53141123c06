import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { objcHeaders } from '../scripts/objc-runtime.ts';

const root = join(import.meta.dirname, '..');
const facts = join(root, '../../../shared/apple');
/** What is known of the framework lies beside the repository. */
const without = existsSync(facts) ? undefined : `${facts} is not there`;
const header = join(root, 'test/double/include/Virtualization/Virtualization.h');

interface Facts {
  classes: Record<string, { super: string; methods: string[] }>;
  enums: Record<string, Record<string, string>>;
  protocols: Record<string, string[]>;
}

/** Nullability says nothing of a call, and the facts write the elements of an array without their star. */
const type = (text: string): string =>
  text
    .replaceAll(/\b(_Nullable|_Nonnull|nullable)\b/g, '')
    .replaceAll(/(\^\)\s*\()([^)]*)\)/g, (_, head: string, inner: string) => {
      const types = inner.split(',').map((part) => part.replace(/(\*|\s)\w+\s*$/, '$1'));
      return `${head}${types.join(',')})`;
    })
    .replaceAll(/<[\w\s*,]+>/g, (elements) => elements.replaceAll('*', ''))
    .replaceAll(/\s+/g, '');

/** `- initWithURL:readOnly:error: (NSURL *, BOOL) -> instancetype (+ NSError **)`, with the error as an argument. */
function fact(text: string): string {
  const [, kind, selector, args = '', result = '', error] =
    /^([-+]) (\S+) \((.*)\) -> (.*?)( \(\+ NSError \*\*\))?$/.exec(text) ?? [];
  const types = splitTypes(args).map(type);
  if (error !== undefined) types.push('NSError**');
  return `${kind}${selector}(${types.join(';')})${type(result)}`;
}

function splitTypes(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let part = '';
  for (const char of text) {
    if ('(<'.includes(char)) depth += 1;
    if (')>'.includes(char)) depth -= 1;
    if (char === ',' && depth === 0) {
      parts.push(part);
      part = '';
    } else part += char;
  }
  return part.trim() === '' ? parts : [...parts, part];
}

interface Declared {
  name: string;
  parent: string;
  methods: string[];
}

/** The classes of the double's header, with what each declares. */
function declared(): Declared[] {
  const text = readFileSync(header, 'utf8').replaceAll(/\/\*[\s\S]*?\*\//g, '');
  const classes = text.matchAll(/@interface (\w+) : (\w+)([\s\S]*?)@end/g);
  return [...classes].map(([, name = '', parent = '', body = '']) => ({
    name,
    parent: parent === 'VZDoubleObject' ? 'NSObject' : parent,
    methods: [...methodsOf(body), ...propertiesOf(body)],
  }));
}

function methodsOf(body: string): string[] {
  return [...body.matchAll(/^([-+]) \((.+?)\)\s*(\w[\s\S]*?);/gm)].map(([, kind, result = '', rest = '']) => {
    const args = [...rest.matchAll(/(\w+:)\s*\(((?:[^()]|\([^()]*\))*)\)\s*\w+/g)];
    const selector = args.length === 0 ? rest.trim() : args.map(([, part]) => part).join('');
    return `${kind}${selector}(${args.map(([, , of = '']) => type(of)).join(';')})${type(result)}`;
  });
}

function propertiesOf(body: string): string[] {
  return [...body.matchAll(/@property\(([^)]*)\) (.*?)(\w+);/g)].flatMap(([, attributes = '', of = '', name = '']) => {
    const getter = /getter=(\w+)/.exec(attributes)?.[1] ?? name;
    const setter = `-set${name[0]?.toUpperCase()}${name.slice(1)}:(${type(of)})void`;
    return [`-${getter}()${type(of)}`, ...(attributes.includes('readonly') ? [] : [setter])];
  });
}

describe('the interface of the double', () => {
  const readFacts = (): Facts => JSON.parse(readFileSync(join(facts, 'virtualization-api.json'), 'utf8')) as Facts;
  const classes = declared();

  it('has no class, selector or type that a Mac does not have', ({ skip }) => {
    skip(without !== undefined, without);
    const api = readFacts();
    expect(classes.length).toBeGreaterThan(30);
    const wrong = classes.flatMap(({ name, parent, methods }) => {
      const known = api.classes[name];
      // Some are known as nothing but what others are made from.
      const isParent = Object.values(api.classes).some((other) => other.super === name);
      if (known === undefined) return isParent && methods.length === 0 ? [] : [name];
      const selectors = known.methods.map(fact);
      return [
        ...(known.super === parent ? [] : [`${name} : ${parent}`]),
        ...methods.filter((method) => !selectors.includes(method)).map((method) => `${name} ${method}`),
      ];
    });
    expect(wrong).toEqual([]);
    expect(classes.flatMap(({ methods }) => methods).length).toBeGreaterThan(90);
  });

  it('gives every constant the number that it has on a Mac', ({ skip }) => {
    skip(without !== undefined, without);
    const known = Object.assign({}, ...Object.values(readFacts().enums)) as Record<string, string>;
    const constants = [...readFileSync(header, 'utf8').matchAll(/^ {2}(VZ\w+) = (\d+),$/gm)];
    expect(constants.length).toBeGreaterThan(20);
    for (const [, name = '', value] of constants) expect({ name, value }).toEqual({ name, value: known[name] });
  });

  it('has no delegate call that a Mac does not make', ({ skip }) => {
    skip(without !== undefined, without);
    const api = readFacts();
    const text = readFileSync(header, 'utf8');
    for (const [, name = '', body = ''] of text.matchAll(/@protocol (\w+) <NSObject>([\s\S]*?)@end/g)) {
      const selectors = methodsOf(body).map((method) => /^-([\w:]+)/.exec(method)?.[1]);
      expect(api.protocols[name]).toEqual(expect.arrayContaining(selectors));
    }
  });
});

describe('core, host program and addon', () => {
  const folders = ['core', 'host', 'addon'].map((name) => join(root, 'native', name));
  const sources = folders.flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)));

  it('are the same on a Mac and over the double: no condition tells them apart', () => {
    expect(sources.length).toBeGreaterThan(20);
    for (const source of sources) {
      const text = readFileSync(source, 'utf8');
      expect({ source, found: text.match(/^\s*#\s*(if|ifdef|ifndef|elif)\b.*$/m)?.[0] }).toEqual({ source });
      expect({ source, found: text.match(/VZ_DOUBLE|VZDouble|GNUSTEP|__linux__|__APPLE__/)?.[0] }).toEqual({ source });
    }
  });

  it('call nothing by a name that the compiler cannot check', () => {
    for (const source of sources) {
      const found = readFileSync(source, 'utf8').match(
        /performSelector|NSClassFromString|objc_msgSend|valueForKey/,
      )?.[0];
      expect({ source, found }).toEqual({ source });
    }
  });

  it('compile against the declarations of Apple’s header as they do against the double’s', ({ skip }) => {
    skip(without !== undefined, without);
    const directory = mkdtempSync(join(tmpdir(), 'vz-header-'));
    try {
      const folder = (name: string): string => {
        mkdirSync(join(directory, name));
        return join(directory, name);
      };
      writeFileSync(
        join(folder('Virtualization'), 'Virtualization.h'),
        `#import "${join(facts, 'Virtualization.h')}"\n`,
      );
      writeFileSync(
        join(folder('CoreGraphics'), 'CoreGraphics.h'),
        `#import <Foundation/Foundation.h>
typedef NSSize CGSize;
typedef struct { NSInteger majorVersion, minorVersion, patchVersion; } NSOperatingSystemVersion;
`,
      );
      const double = join(root, 'test/double/include');
      for (const source of sources.filter((name) => name.endsWith('.mm'))) {
        execFileSync(
          'clang++-16',
          [
            ...['-fsyntax-only', '-x', 'objective-c++', '-std=c++20', '-fblocks', '-fobjc-runtime=gcc'],
            ...['-fobjc-exceptions', '-fexceptions', '-fconstant-string-class=NSConstantString'],
            ...['-DGNUSTEP', '-DGNUSTEP_BASE_LIBRARY=1', '-D_NATIVE_OBJC_EXCEPTIONS', '-Wall', '-Wextra', '-Werror'],
            ...['-iquote', folders[0] ?? '', '-I', directory, '-I', double],
            ...['-isystem', '/usr/include/GNUstep', '-isystem', objcHeaders(), '-isystem', facts, source],
          ],
          { stdio: 'pipe' },
        );
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
  }, 60_000);
});
