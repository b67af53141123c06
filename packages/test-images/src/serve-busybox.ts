import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { busyboxLayer, pushLayout, startRegistry, type TarInput, writeImageLayout } from '@zlayer/oci-pull/testing';
import { type Architecture, parsePlatform } from '@zlayer/runtime-core';
import { busyboxProgram } from './busybox-program.ts';

export interface BusyboxImage {
  /** The `config` object of the OCI configuration: `Entrypoint`, `Cmd`, `Env`, `User`, `WorkingDir`. */
  config?: Readonly<Record<string, unknown>> | undefined;
  /** Files above those of busybox. */
  extra?: readonly TarInput[] | undefined;
  /** A whole layer between busybox and `extra`, as a tar archive. */
  layer?: Buffer | undefined;
}

export interface ServeBusyboxOptions<Name extends string> {
  architectures: readonly Architecture[];
  /** Images by the name they get in the registry. */
  images: Readonly<Record<Name, BusyboxImage>>;
  signal?: AbortSignal | undefined;
}

/** A registry with images, until it is disposed of. */
export interface ServedImages<Name extends string> extends AsyncDisposable {
  /** `127.0.0.1:port` */
  readonly host: string;
  /** Full references by name. */
  readonly images: Readonly<Record<Name, string>>;
}

/** Makes images around busybox, for one or more architectures, and serves them from a registry on a loopback port. */
export async function serveBusybox<Name extends string>(
  options: ServeBusyboxOptions<Name>,
): Promise<ServedImages<Name>> {
  const { architectures, signal } = options;
  const names = Object.keys(options.images) as Name[];
  const layout = await mkdtemp(join(tmpdir(), 'zlayer-layout-'));
  const registry = await startRegistry();
  try {
    for (const name of names) {
      const { config, extra, layer: more } = options.images[name];
      const images = architectures.map(async (architecture) => {
        const layer = await busyboxLayer({
          busybox: await busyboxProgram(architecture, signal),
          applets: await applets(),
          ...(more === undefined ? { extra } : {}),
        });
        const above =
          more === undefined ? [] : [{ content: more, compression: 'none' as const }, { content: extra ?? [] }];
        return { architecture, config, layers: [layer, ...above] };
      });
      await writeImageLayout(layout, { name, images: await Promise.all(images) });
      await pushLayout(layout, name, `${registry.host}/${name}:latest`);
    }
  } catch (error) {
    await registry.close();
    throw error;
  } finally {
    await rm(layout, { recursive: true, force: true });
  }
  return {
    host: registry.host,
    images: Object.fromEntries(names.map((name) => [name, `${registry.host}/${name}:latest`])) as Record<Name, string>,
    [Symbol.asyncDispose]: registry.close,
  };
}

/** What busybox can do is the same on every architecture of one Debian release, so this machine's own is asked. */
async function applets(): Promise<string[]> {
  const own = await busyboxProgram(parsePlatform(process.arch).architecture);
  const { stdout } = await promisify(execFile)(own, ['--list']);
  return stdout.split('\n').filter((name) => name !== '');
}
