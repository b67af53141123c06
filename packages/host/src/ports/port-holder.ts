import { readdir, readFile, readlink } from 'node:fs/promises';

/** A process that has a port. */
export interface PortHolder {
  pid: number;
  name: string;
}

const LISTENING = '0A';
/** The state of a UDP socket that is bound. */
const BOUND = '07';

/**
 * Who listens on a port of this machine, as far as that can be found out: on Linux, for one's own processes, or for all as
 * root.
 */
export async function findPortHolder(protocol: 'tcp' | 'udp', port: number): Promise<PortHolder | undefined> {
  try {
    const inodes = await socketsOf(protocol, port);
    if (inodes.size === 0) return undefined;
    for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
      if (await holdsOne(pid, inodes)) {
        return { pid: Number(pid), name: (await readFile(`/proc/${pid}/comm`, 'utf8')).trim() };
      }
    }
  } catch {
    // Another system, or a process that has just ended.
  }
  return undefined;
}

async function socketsOf(protocol: 'tcp' | 'udp', port: number): Promise<Set<string>> {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  const inodes = new Set<string>();
  for (const table of [protocol, `${protocol}6`]) {
    const text = await readFile(`/proc/net/${table}`, 'latin1').catch(() => '');
    for (const line of text.split('\n').slice(1)) {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
      const isOpen = state === (protocol === 'tcp' ? LISTENING : BOUND);
      if (isOpen && local?.endsWith(`:${wanted}`) && inode !== undefined) inodes.add(`socket:[${inode}]`);
    }
  }
  return inodes;
}

async function holdsOne(pid: string, inodes: ReadonlySet<string>): Promise<boolean> {
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
  const links = await Promise.all(descriptors.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')));
  return links.some((link) => inodes.has(link));
}
