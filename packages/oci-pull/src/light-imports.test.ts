import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';

test('a program that pulls images does not have to load the validation of service specs', () => {
  const program = `
    import { registerHooks } from 'node:module';
    const loaded = [];
    registerHooks({ load(url, context, next) { loaded.push(url); return next(url, context); } });
    await import(${JSON.stringify(new URL('index.ts', import.meta.url).href)});
    console.log(loaded.join('\\n'));
  `;
  const loaded = execFileSync(process.execPath, ['--input-type=module', '--eval', program], { encoding: 'utf8' });
  expect(loaded).toContain('runtime-core');
  expect(loaded).not.toContain('zod');
});
