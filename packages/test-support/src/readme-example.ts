import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

export interface ReadmeExampleOptions {
  /** Default: `README.md` of the package. */
  readme?: string | undefined;
  /** Where the example runs, for one with relative paths. Default: here. */
  cwd?: string | undefined;
  env?: Readonly<Record<string, string>> | undefined;
  /** What a test must put in the place of something that only the reader's machine has. Every text must be there. */
  replace?: Readonly<Record<string, string>> | undefined;
}

export interface ReadmeExampleResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** The first fenced block of a language in a Markdown file. */
export async function readmeBlock(readme: string, language: string): Promise<string> {
  const block = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'ms').exec(await readFile(readme, 'utf8'))?.[1];
  if (block === undefined) throw new Error(`${readme} has no block of ${language}`);
  return block;
}

/**
 * Runs the first `ts` example of a package's README in Node. It lies in the package's folder while it runs, so it finds the
 * package, as built, by its name.
 */
export async function runReadmeExample(
  packageDirectory: string,
  { readme = join(packageDirectory, 'README.md'), cwd, env = {}, replace = {} }: ReadmeExampleOptions = {},
): Promise<ReadmeExampleResult> {
  let example = await readmeBlock(readme, 'ts');
  for (const [from, to] of Object.entries(replace)) {
    if (!example.includes(from)) throw new Error(`the example of ${readme} does not contain ${JSON.stringify(from)}`);
    example = example.replaceAll(from, to);
  }
  const file = join(packageDirectory, `.readme-example-${process.pid}-${performance.now()}.mts`);
  await writeFile(file, example);
  try {
    const child = spawn(process.execPath, [file], {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const closed = once(child, 'close');
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
    await closed;
    return { code: child.exitCode, stdout, stderr };
  } finally {
    await rm(file);
  }
}
