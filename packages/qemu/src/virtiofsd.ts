import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { HostProgram, VmShare } from '@zlayer/host';
import { ZlayerError } from '@zlayer/runtime-core';

/** A program called virtiofsd: there is the one in C that was part of QEMU until 7.2, and its successor in Rust. */
export interface Virtiofsd {
  program: string;
  kind: 'c' | 'rust';
  /** Whether it can give what the guest makes to one user of the host: in Rust, from 1.13 on. */
  translatesOwners: boolean;
  /** Whether it has a descriptor open for each file that the guest remembers: all but the one in Rust that root runs. */
  holdsDescriptors: boolean;
}

/** Who runs it. Default: this process's user. */
export interface VirtiofsdUser {
  uid: number;
  gid: number;
}

/** All of the guest's 2^32 users but the last, which stands for nobody in particular. */
const ALL_IDS = 2 ** 32 - 1;

const thisUser = (): VirtiofsdUser => ({ uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 });

/**
 * Tells the two apart by their help; their options differ.
 *
 * @throws ZlayerError `UNAVAILABLE` if it does not run, is none, or is the one in C and this user is not root.
 */
export async function inspectVirtiofsd(program: string, { uid } = thisUser()): Promise<Virtiofsd> {
  const help = await helpOf(program);
  const kind = help.includes('--shared-dir') ? 'rust' : 'c';
  if (kind === 'c' && !help.includes('-o source=')) {
    throw new ZlayerError('UNAVAILABLE', `${program} is not a virtiofsd`, {
      subject: program,
      remedy: 'Correct its path, or install virtiofsd again.',
    });
  }
  if (kind === 'c' && uid !== 0) {
    throw new ZlayerError('UNAVAILABLE', `${program}, which is part of QEMU up to 7.2, can be run by root alone`, {
      subject: program,
      remedy: 'Install the virtiofsd that is written in Rust: Debian 13 and later have it.',
    });
  }
  const holdsDescriptors = kind === 'c' || uid !== 0;
  return { program, kind, translatesOwners: help.includes('--translate-uid'), holdsDescriptors };
}

async function helpOf(program: string): Promise<string> {
  try {
    const { stdout, stderr } = await promisify(execFile)(program, ['--help'], { timeout: 10_000 });
    return stdout + stderr;
  } catch (cause) {
    throw new ZlayerError('UNAVAILABLE', `${program} does not run: ${(cause as Error).message}`, {
      subject: program,
      remedy: 'Install virtiofsd again, or give the path of a working one.',
      cause,
    });
  }
}

/**
 * Serves one directory to the guest. A share that the guest may only read is protected here: the guest's own promise to
 * mount it read-only binds nobody who has taken the guest's kernel over, and containers share their image.
 */
export function virtiofsdProgram(
  { program, kind, translatesOwners, holdsDescriptors }: Virtiofsd,
  socket: string,
  { path, readOnly }: VmShare,
  { uid, gid } = thisUser(),
): Pick<HostProgram, 'argv' | 'readOnlyPaths'> {
  if (kind === 'rust') {
    const argv = [program, `--socket-path=${socket}`, `--shared-dir=${path}`, '--cache=auto'];
    if (readOnly) argv.push('--readonly');
    // A handle takes no descriptor; it takes root to open one.
    if (!holdsDescriptors) return { argv: [...argv, '--inode-file-handles=prefer'] };
    // Whoever is not root can make files of its own only: without this, no other user of the guest could make any.
    if (translatesOwners) {
      argv.push(`--translate-uid=squash-guest:0:${uid}:${ALL_IDS}`, `--translate-gid=squash-guest:0:${gid}:${ALL_IDS}`);
    }
    return { argv };
  }
  // The options of the one in C are separated by commas; a backslash keeps one that belongs to the path. It knows no
  // read-only shares, but has to be run by root, who can put it where it cannot write.
  const source = path.replaceAll(/[\\,]/g, String.raw`\$&`);
  return {
    argv: [program, `--socket-path=${socket}`, '-o', `source=${source}`, '-o', 'cache=auto'],
    readOnlyPaths: readOnly ? [path] : [],
  };
}
