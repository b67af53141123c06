import { createReadStream, createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { pipeline } from 'node:stream/promises';
import { formatContainerId, formatPlatform, PULL_POLICIES, parsePlatform, ZlayerError } from '@zlayer/runtime-core';
import { Option } from 'commander';
import { type Cli, say } from '../cli.ts';
import { type CommonOptions, withRegistryOptions } from '../common-options.ts';
import { forEachName } from '../each.ts';
import { formatAge } from '../format/age.ts';
import { formatBytes } from '../format/bytes.ts';
import { formatJson } from '../format/json.ts';
import { formatTable } from '../format/table.ts';
import { forwardSignals } from '../forward-signals.ts';
import { TransferDisplay } from '../transfer-display.ts';
import { action, newCommand } from './command.ts';

type PullOptions = CommonOptions & { platform?: string; policy: (typeof PULL_POLICIES)[number]; quiet?: boolean };

export function pullCommand(cli: Cli) {
  const command = newCommand('pull <image>', 'Bring an image here.')
    .option('--platform <platform>', 'linux/amd64 or linux/arm64')
    .addOption(new Option('--policy <policy>', 'when to ask the registry').choices(PULL_POLICIES).default('always'))
    .option('-q, --quiet', 'show no progress');
  return action(cli, withRegistryOptions(command), async (image: string, options: PullOptions) => {
    const { platform, policy, quiet, json } = options;
    await using runtime = await cli.local(options);
    using signals = forwardSignals(async () => {});
    using display = new TransferDisplay(`Pulling ${image}`, quiet || json ? undefined : cli.stderr);
    const pulled = await runtime.pullImage(image, {
      policy,
      platform: platform === undefined ? undefined : parsePlatform(platform),
      onProgress: display.show.bind(display),
      signal: signals.signal,
    });
    display[Symbol.dispose]();
    say(cli, json ? formatJson(pulled) : pulled.reference);
  });
}

export function pushCommand(cli: Cli) {
  const command = newCommand('push <image>', 'Upload an image to the registry in its name.').option(
    '-q, --quiet',
    'show no progress',
  );
  return action(cli, withRegistryOptions(command), async (image: string, options: PullOptions) => {
    await using runtime = await cli.local(options);
    using signals = forwardSignals(async () => {});
    using display = new TransferDisplay(`Pushing ${image}`, options.quiet || options.json ? undefined : cli.stderr);
    await runtime.pushImage(image, { onProgress: display.show.bind(display), signal: signals.signal });
    display[Symbol.dispose]();
    say(cli, options.json ? formatJson({ pushed: image }) : image);
  });
}

type ImagesOptions = CommonOptions & { quiet?: boolean; trunc: boolean };

export function imagesCommand(cli: Cli) {
  const command = newCommand('images', 'List the images that are here.')
    .option('-q, --quiet', 'only their digests')
    .option('--no-trunc', 'whole digests');
  return action(cli, command, async (options: ImagesOptions) => {
    await using runtime = await cli.local(options);
    const images = await runtime.listImages();
    if (options.json) return say(cli, formatJson(images));
    const idOf = (digest: string): string => (options.trunc ? digest.replace(/^[a-z0-9]+:/, '').slice(0, 12) : digest);
    if (options.quiet) {
      for (const { digest } of images) say(cli, idOf(digest));
      return;
    }
    const rows = images.map(({ reference, digest, platform, createdAt, size }) => {
      const { repository, tag } = splitReference(reference);
      return [repository, tag, idOf(digest), formatPlatform(platform), formatAge(createdAt), formatBytes(size)];
    });
    say(cli, formatTable(['REPOSITORY', 'TAG', 'DIGEST', 'PLATFORM', 'STORED', 'SIZE'], rows));
  });
}

/** `host:5000/name:1.2` → `host:5000/name` and `1.2`. */
export function splitReference(reference: string): { repository: string; tag: string } {
  const [name = '', digest] = reference.split('@');
  const colon = name.indexOf(':', name.lastIndexOf('/') + 1);
  if (colon >= 0) return { repository: name.slice(0, colon), tag: name.slice(colon + 1) };
  return { repository: name, tag: digest === undefined ? 'latest' : '<none>' };
}

export function rmiCommand(cli: Cli) {
  const command = newCommand('rmi <image...>', 'Remove names of images. Their data goes with "prune".');
  return action(cli, command, async (names: string[], options: CommonOptions) => {
    await using runtime = await cli.local(options);
    return await forEachName(
      cli,
      names,
      options,
      (name) => runtime.removeImage(name),
      (_, name) => `Untagged: ${name}`,
    );
  });
}

export function tagCommand(cli: Cli) {
  const command = newCommand('tag <image> <name>', 'Give an image another name.');
  return action(cli, command, async (image: string, name: string, options: CommonOptions) => {
    await using runtime = await cli.local(options);
    await runtime.tagImage(image, name);
  });
}

export function saveCommand(cli: Cli) {
  const command = newCommand('save <image...>', 'Write images to an archive.').option(
    '-o, --output <file>',
    'the file',
  );
  return action(cli, command, async (images: string[], options: CommonOptions & { output?: string }) => {
    if (options.output === undefined && cli.stdout.isTTY) {
      throw new ZlayerError('INVALID_SPEC', 'an archive is nothing for a terminal', { remedy: 'Use --output.' });
    }
    await using runtime = await cli.local(options);
    const archive = runtime.saveImages(images);
    if (options.output === undefined) await pipeline(archive, cli.stdout, { end: false });
    else await pipeline(archive, createWriteStream(options.output));
  });
}

export function loadCommand(cli: Cli) {
  const command = newCommand('load', 'Read images from an archive.').option('-i, --input <file>', 'the file');
  return action(cli, command, async (options: CommonOptions & { input?: string }) => {
    if (options.input === undefined && cli.stdin.isTTY) {
      throw new ZlayerError('INVALID_SPEC', 'there is no archive on standard input', { remedy: 'Use --input.' });
    }
    await using runtime = await cli.local(options);
    const names = await runtime.loadImages(options.input === undefined ? cli.stdin : createReadStream(options.input));
    if (options.json) return say(cli, formatJson(names));
    for (const name of names) say(cli, `Loaded image: ${name}`);
  });
}

export function pruneCommand(cli: Cli) {
  const command = newCommand(
    'prune',
    'Remove all containers that do not run, and the data of images without a name.',
  ).option('-f, --force', 'do not ask');
  return action(cli, command, async (options: CommonOptions & { force?: boolean }) => {
    if (!options.force && !(await isConfirmed(cli))) return 1;
    await using runtime = await cli.supervised(options);
    const containers = (await runtime.pruneContainers()).map(formatContainerId);
    const { removed, reclaimed } = await runtime.pruneImages();
    if (options.json) return say(cli, formatJson({ containers, images: removed, reclaimed }));
    for (const name of containers) say(cli, `Removed container: ${name}`);
    for (const name of removed) say(cli, `Removed: ${name}`);
    say(cli, `Reclaimed: ${formatBytes(reclaimed)}`);
  });
}

async function isConfirmed(cli: Cli): Promise<boolean> {
  if (!cli.stdin.isTTY) throw new ZlayerError('INVALID_SPEC', 'there is nobody to ask', { remedy: 'Use --force.' });
  const asker = createInterface({ input: cli.stdin, output: cli.stderr });
  try {
    return /^y(?:es)?$/i.test((await asker.question('Remove all containers that do not run? [y/N] ')).trim());
  } finally {
    asker.close();
  }
}
