import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import {
  type ContainerInstance,
  parsePlatform,
  parseServiceSpec,
  type Runtime,
  type ServiceSpecInput,
  ZlayerError,
} from '@zlayer/runtime-core';
import type { Cli } from './cli.ts';
import type { CommonOptions } from './common-options.ts';
import { idOfName } from './resolve-container.ts';
import { pullPolicyOf, type SpecOptions, specOf } from './spec-options.ts';
import { TransferDisplay } from './transfer-display.ts';

export type ContainerOptions = SpecOptions & CommonOptions;

/** The spec of a command line, checked: what is wrong with it is said before anything is fetched. */
export async function readSpec(
  cli: Cli,
  image: string,
  args: string[],
  options: ContainerOptions,
  onOwnerExit: 'stop' | 'keep',
): Promise<ServiceSpecInput> {
  const envFiles = await Promise.all((options.envFile ?? []).map(readEnvFile));
  const spec = specOf(image, args, options, { env: cli.env, cwd: process.cwd(), envFiles });
  spec.lifecycle = { ...spec.lifecycle, onOwnerExit };
  parseServiceSpec(spec);
  return spec;
}

/** Pulls the image of a spec and creates its container. The registry is asked by this process, in its
 * environment. */
export async function prepareContainer(
  cli: Cli,
  { images, owner }: { images: Runtime; owner: Runtime },
  spec: ServiceSpecInput,
  options: ContainerOptions & { signal?: AbortSignal | undefined },
): Promise<ContainerInstance> {
  const { signal, platform } = options;
  const id =
    options.name === undefined
      ? { service: `run-${randomBytes(6).toString('hex')}`, replica: 0 }
      : idOfName(options.name);
  using display = new TransferDisplay(`Pulling ${spec.image}`, options.quiet || options.json ? undefined : cli.stderr);
  const { reference } = await images.pullImage(spec.image, {
    policy: pullPolicyOf(options.pull),
    platform: platform === undefined ? undefined : parsePlatform(platform),
    onProgress: display.show.bind(display),
    signal,
  });
  display[Symbol.dispose]();
  // The owner may have another default registry: it is told what the name means to this user.
  const { instance } = await owner.createContainer(id, { ...spec, image: reference }, { signal });
  return { ...id, instance };
}

async function readEnvFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const message = `cannot read the file of variables ${path}: ${(cause as Error).message}`;
    throw new ZlayerError('INVALID_SPEC', message, { subject: path, cause });
  }
}
