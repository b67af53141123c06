import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { dataDirectory } from '@zlayer/host';
import type { Command } from 'commander';

/** What could stand in the place of the last of these words, which may be empty. */
export async function complete(
  program: Command,
  words: readonly string[],
  dataDir: string | undefined = process.env['ZLAYER_DATA_DIR'],
): Promise<string[]> {
  const current = words.at(-1) ?? '';
  const matching = (all: readonly string[]): string[] => all.filter((word) => word.startsWith(current)).sort();
  if (words.length <= 1) return matching(program.commands.map((command) => command.name()));
  const command = program.commands.find((known) => known.name() === words[0]);
  if (!command) return [];
  const previous = command.options.find(({ long, short }) => [long, short].includes(words.at(-2) ?? ''));
  if (previous?.required) return matching(previous.argChoices ?? []);
  if (current.startsWith('-')) return matching([...command.options.map(({ long }) => long ?? ''), '--help']);
  const takesContainers = command.registeredArguments.some((argument) => argument.name() === 'container');
  return takesContainers
    ? matching(await containerNames(dataDir))
    : matching(command.registeredArguments[0]?.argChoices ?? []);
}

/** Read from their directories: whoever presses a key should not wait for a supervisor. */
async function containerNames(dataDir: string | undefined): Promise<string[]> {
  const root = dataDirectory({ option: dataDir });
  const runtimes = await readdir(root).catch(() => []);
  const names = await Promise.all(runtimes.map((name) => readdir(join(root, name, 'containers')).catch(() => [])));
  return names.flat();
}
