import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ServedImages, serveBusybox } from '@zlayer/test-images';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Place } from './place.ts';
import { Tmux } from './tmux.ts';
import { PROGRAM } from './zlayer.ts';

/** Busybox shows the directory before it. */
const GUEST = /\/ # /;

describe('on a terminal of a user, under tmux', () => {
  let place: Place;
  let served: ServedImages<'plain'>;
  let tmux: Tmux;
  let modes: string;

  beforeAll(async () => {
    place = await Place.make();
    served = await serveBusybox({ architectures: ['amd64'], images: { plain: {} } });
    tmux = await Tmux.open(place.env);
    await tmux.line(`zlayer() { '${process.execPath}' '${PROGRAM}' "$@"; }`);
    await tmux.prompt();
    modes = await tmux.modes();
    expect(modes).toMatch(/rows 24; columns 80;[\s\S]* icanon /);
  });
  afterAll(async () => {
    if (tmux) await tmux[Symbol.asyncDispose]();
    await place?.[Symbol.asyncDispose]();
    await served?.[Symbol.asyncDispose]();
  });

  /** The command has ended with this code, and left the terminal as it was. */
  async function ended(code: number): Promise<void> {
    await tmux.prompt();
    expect(await tmux.ask('echo $?')).toBe(`${code}`);
    expect(await tmux.modes()).toBe(modes);
  }

  it('run -it gives a shell that has the size of the window, and learns each new one', async () => {
    await tmux.line(`zlayer run -it -q --name shell ${served.images.plain} sh`);
    await tmux.shows(GUEST);
    await tmux.line('stty size');
    await tmux.shows(/24 80\r*\n/);
    await tmux.line(`sh -c 'trap "stty size" WINCH; echo waits-$((6*7)); while :; do sleep 100 & wait $!; done'`);
    await tmux.shows(/waits-42\r*\n/);
    await tmux.resize(101, 33);
    await tmux.shows(/33 101\r*\n/);
    await tmux.resize(80, 24);
    await tmux.shows(/24 80\r*\n/);
    await tmux.press('C-c');
    await tmux.shows(GUEST);
  });

  it('Ctrl-C ends what runs in the foreground of the shell, and not the shell', async () => {
    await tmux.line('echo begun-$((6*7)); sleep 1000; echo "code $?"');
    await tmux.shows(/begun-42\r*\n/);
    await tmux.press('C-c');
    await tmux.shows(GUEST);
    await tmux.line('echo "still $$"');
    await tmux.shows(/still \d+\r*\n/);
    await tmux.line('cat');
    await tmux.line('typed');
    await tmux.shows(/typed\r*\n[\s\S]*typed\r*\n/);
    await tmux.press('C-d');
    await tmux.shows(GUEST);
  });

  it('the detach keys leave the container to the supervisor, and the terminal as it was', async () => {
    await tmux.press('C-p', 'C-q');
    await ended(0);
    expect(await place.ok('ps')).toMatch(/Up .* shell-0$/m);
  });

  it('exec -it is left with keys of one’s own, and its command goes on', async () => {
    await tmux.line('zlayer exec -it --detach-keys ctrl-x,d shell sh -c "echo in-\\$((6*7)); exec sleep 4321"');
    await tmux.shows(/in-42\r*\n/);
    // The usual keys are the command's now, and so are those that only begin like the new ones.
    await tmux.press('C-p', 'C-q', 'C-x', 'x', 'C-x', 'd');
    await ended(0);
    const processes: { pid: number; command: string }[] = JSON.parse(await place.ok('top', 'shell', '--json'));
    const left = processes.find(({ command }) => command === 'sleep 4321');
    expect(await place.ok('exec', 'shell', 'kill', `${left?.pid}`)).toBe('');
  });

  it('attach takes up the same shell, and ends with its exit code', async () => {
    await tmux.line('zlayer attach shell');
    await tmux.line('');
    await tmux.shows(GUEST);
    await tmux.line('stty size; exit 7');
    await tmux.shows(/24 80\r*\n/);
    await ended(7);
    expect(await place.ok('ps', '--all')).toMatch(/Exited \(7\).* shell-0$/m);
    await place.ok('rm', 'shell');
  });

  it('a virtual machine that dies ends the command with a reason, and the terminal is as it was', async () => {
    await tmux.line(`zlayer run -it -q --name doomed ${served.images.plain} sh`);
    await tmux.shows(GUEST);
    const record = join(place.directory, 'qemu', 'containers', 'doomed-0', 'vm.json');
    process.kill((JSON.parse(await readFile(record, 'utf8')) as { main: { pid: number } }).main.pid, 'SIGKILL');
    await tmux.shows(/zlayer: .*virtual machine/);
    await ended(125);
    await place.ok('rm', 'doomed');
  });
});
