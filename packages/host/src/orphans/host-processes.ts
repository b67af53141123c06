import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { promisify } from 'node:util';
import { type ProcessIdentity, processIdentity } from '../process-identity.ts';

const CONFIG_NAME = 'host-config.json';
const MAX_LIST_BYTES = 64 * 1024 * 1024;

/** A host program that runs, and the state directory that it was started for, which may be gone. */
export interface RunningHost extends ProcessIdentity {
  stateDirectory: string;
}

/** The host programs of this machine that can be seen, of every data directory. */
export async function findHosts(programs: readonly string[] = ['zlayer-host', 'vz-host']): Promise<RunningHost[]> {
  const commands = process.platform === 'linux' ? await commandsByProc() : await commandsByPs(programs);
  const hosts = commands.filter(({ argv: [program = '', config = ''] }) => {
    return programs.includes(basename(program)) && basename(config) === CONFIG_NAME;
  });
  const pids = new Set(hosts.map(({ pid }) => pid));
  return hosts.flatMap(({ pid, parent, argv: [, config = ''] }) => {
    // A host has a guardian, a child that looks like it and ends with it.
    const identity = pids.has(parent) ? undefined : processIdentity(pid);
    return identity === undefined ? [] : [{ ...identity, stateDirectory: dirname(config) }];
  });
}

interface Command {
  pid: number;
  parent: number;
  argv: string[];
}

async function commandsByProc(): Promise<Command[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  return await Promise.all(
    pids.map(async (pid) => {
      const [text, stat] = await Promise.all(
        ['cmdline', 'stat'].map((name) => readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '')),
      );
      const [, parent] = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
      return { pid: Number(pid), parent: Number(parent), argv: text?.split('\0') ?? [] };
    }),
  );
}

/** `ps` separates arguments by spaces, as paths may have them: what is behind the program's name is one argument. */
async function commandsByPs(programs: readonly string[]): Promise<Command[]> {
  const options = { maxBuffer: MAX_LIST_BYTES };
  const { stdout } = await promisify(execFile)('ps', ['-axww', '-o', 'pid=,ppid=,command='], options);
  return stdout.split('\n').flatMap((line) => {
    const [, pid, parent, command = ''] = /^\s*(\d+)\s+(\d+) (.*)$/.exec(line) ?? [];
    for (const program of programs) {
      const at = command.indexOf(`/${program} `);
      if (at < 0) continue;
      const end = at + program.length + 1;
      return [{ pid: Number(pid), parent: Number(parent), argv: [command.slice(0, end), command.slice(end + 1)] }];
    }
    return [];
  });
}
