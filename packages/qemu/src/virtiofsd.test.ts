import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inspectVirtiofsd, type Virtiofsd, virtiofsdProgram } from './virtiofsd.ts';

const ROOT = { uid: 0, gid: 0 };
const ANN = { uid: 1000, gid: 100 };
const IN_C: Virtiofsd = { program: '/v', kind: 'c', translatesOwners: false, holdsDescriptors: true };
const IN_RUST: Virtiofsd = { program: '/v', kind: 'rust', translatesOwners: true, holdsDescriptors: false };

describe('virtiofsd', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'virtiofsd-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const share = { tag: 'rootfs', path: '/images/a,b', readOnly: true };
  const writable = { ...share, readOnly: false };
  const saying = (text: string): string => {
    const program = join(folder, 'virtiofsd');
    writeFileSync(program, `#!/bin/sh\necho "${text}"\n`);
    chmodSync(program, 0o755);
    return program;
  };

  it('of QEMU 7.2 is told from its successors by what it says', async () => {
    const program = saying('  -o source=PATH   shared directory tree');
    expect(await inspectVirtiofsd(program, ROOT)).toMatchObject({
      kind: 'c',
      translatesOwners: false,
      holdsDescriptors: true,
    });
    saying('--shared-dir <SHARED_DIR>');
    expect(await inspectVirtiofsd(program, ANN)).toMatchObject({ kind: 'rust', translatesOwners: false });
    saying('--shared-dir <SHARED_DIR> --translate-uid <TRANSLATE_UID>');
    expect(await inspectVirtiofsd(program, ANN)).toEqual({
      ...{ program, kind: 'rust', translatesOwners: true, holdsDescriptors: true },
    });
    expect(await inspectVirtiofsd(program, ROOT)).toMatchObject({ holdsDescriptors: false });
  });

  it('that does not run, is none, or is for root alone, is named with what to do', async () => {
    for (const program of ['/bin/true', '/bin/false', '/nowhere/virtiofsd']) {
      await expect(inspectVirtiofsd(program)).rejects.toMatchObject({ code: 'UNAVAILABLE', subject: program });
    }
    await expect(inspectVirtiofsd(saying('-o source=PATH'), ANN)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('root'),
      remedy: expect.stringContaining('Rust'),
    });
  });

  it('serves a read-only share read-only, whichever it is', () => {
    expect(virtiofsdProgram(IN_C, '/s', share, ROOT)).toEqual({
      argv: ['/v', '--socket-path=/s', '-o', String.raw`source=/images/a\,b`, '-o', 'cache=auto'],
      readOnlyPaths: ['/images/a,b'],
    });
    for (const user of [ROOT, ANN]) {
      expect(virtiofsdProgram(IN_RUST, '/s', share, user).argv).toEqual(
        expect.arrayContaining(['--socket-path=/s', '--shared-dir=/images/a,b', '--readonly']),
      );
    }
  });

  it('serves a writable share writable', () => {
    expect(virtiofsdProgram(IN_C, '/s', writable, ROOT).readOnlyPaths).toEqual([]);
    expect(virtiofsdProgram(IN_RUST, '/s', writable, ROOT).argv).not.toContain('--readonly');
  });

  it('keeps every owner if it is root, and lets all users of the guest make files if it is not', () => {
    const own = ['--translate-uid=squash-guest:0:1000:4294967295', '--translate-gid=squash-guest:0:100:4294967295'];
    expect(virtiofsdProgram({ ...IN_RUST, holdsDescriptors: true }, '/s', writable, ANN).argv).toEqual(
      expect.arrayContaining(own),
    );
    expect(virtiofsdProgram(IN_RUST, '/s', writable, ROOT).argv.join(' ')).not.toContain('translate');
    const older = { ...IN_RUST, translatesOwners: false };
    expect(virtiofsdProgram(older, '/s', writable, ANN).argv.join(' ')).not.toContain('translate');
  });
});
