import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Architecture } from '@zlayer/runtime-core';
import { ZlayerError } from '@zlayer/runtime-core';
import { packagePath } from './package-folder.ts';

/** The agent's executable for a guest architecture, as this package's build made it. */
export function agentPath(architecture: Architecture): string {
  return packagePath(`dist/guest/${architecture}/vzagent`);
}

/** What is PID 1 in front of the agent where libkrun boots a guest. */
export function krunInitPath(architecture: Architecture): string {
  return packagePath(`dist/guest/${architecture}/krun-init`);
}

/** @throws {ZlayerError} `UNAVAILABLE` when this package was not built. */
export async function readAgent(architecture: Architecture): Promise<{ bytes: Uint8Array; sha256: string }> {
  const path = agentPath(architecture);
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new ZlayerError('UNAVAILABLE', `the guest agent for ${architecture} is missing`, {
      subject: path,
      remedy: 'install @zlayer/vzagent anew, or build it in a checkout',
      cause,
    });
  });
  return { bytes, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/** The version of this package, which is the agent's. */
export async function agentVersion(): Promise<string> {
  const { version } = JSON.parse(await readFile(packagePath('package.json'), 'utf8')) as { version: string };
  return version;
}
