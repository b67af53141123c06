import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { downloadPackage, sidSource } from './package-of-sid.mjs';
import { run, SetupError, step } from './steps.mjs';
import { adviceFor, FROM_SID, installOptional, REQUIREMENTS, whyNotApt } from './system-packages.mjs';

describe('the bootstrap', () => {
  it('installs nothing on another system or without root, and says why', () => {
    expect(whyNotApt('darwin', 0)).toBe('this is darwin, not Debian');
    expect(whyNotApt('linux', 1000)).toMatch(/only root may install packages|not a Debian system/);
  });

  it('lists every package and what it brings, with the commands that install them', () => {
    const advice = adviceFor(Object.keys(REQUIREMENTS), 'only root may install packages').split('\n');
    for (const [name, files] of Object.entries(REQUIREMENTS)) {
      const line = advice.find((text) => text.trim().startsWith(`${name} `) && text.includes(files.join(' or ')));
      expect(line, name).toBeDefined();
    }
    const [stable, sid] = advice.slice(-2);
    expect(stable).toMatch(/^ {2}apt-get install --no-install-recommends .*qemu-system-x86/);
    expect(stable).not.toContain('vhost-device-vsock');
    expect(sid).toMatch(/^ {2}apt-get install vhost-device-vsock/);
  });

  it('passes over a step that is done, and says how long another took', async () => {
    const written: string[] = [];
    const log = console.log;
    console.log = (line: string) => written.push(line);
    try {
      await step('never', { done: () => true, run: () => Promise.reject(new Error('it ran')) });
      await step('once', { done: () => false, run: () => {} });
    } finally {
      console.log = log;
    }
    expect(written).toEqual(['▸ once …', expect.stringMatching(/^ {2}once: \d+\.\d s$/)]);
  });

  it('explains a program that fails or is missing', async () => {
    await expect(run('/bin/sh', ['-c', 'exit 3'], { quiet: true })).rejects.toThrow(
      '/bin/sh -c exit 3 ended with code 3',
    );
    await expect(run('/nowhere/program', [])).rejects.toBeInstanceOf(SetupError);
  });

  it('goes on without the package of sid when it cannot be had, and says what that costs', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    try {
      const install = () => run('/bin/sh', ['-c', 'exit 100'], { quiet: true });
      await installOptional({ reason: undefined, install });
      expect(warn).toHaveBeenLastCalledWith(expect.stringContaining('exit 100 ended with code 100'));
      await installOptional({ reason: 'only root may install packages', install: () => Promise.reject() });
      expect(warn).toHaveBeenLastCalledWith(expect.stringMatching(/only root may[\s\S]*over TCP/));
      // A fault of the script itself is no reason to go on.
      const broken = installOptional({ reason: undefined, install: () => Promise.reject(new TypeError('a fault')) });
      await expect(broken).rejects.toThrow(TypeError);
      expect(warn).toHaveBeenCalledTimes(2);
    } finally {
      warn.mockRestore();
    }
  });

  it.skipIf(whyNotApt('linux', 0) !== undefined)(
    'fetches a package from a mirror, and takes none from one that fails (needs apt)',
    async () => {
      const place = mkdtempSync(join(tmpdir(), 'zlayer-mirror-'));
      const error = vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
      try {
        const source = makeMirror(place);
        expect(await downloadPackage('zlayer-nothing', source, mkdtempSync(join(place, 'apt-')))).toMatch(
          /\/zlayer-nothing_1_all\.deb$/,
        );
        // What the mirror holds is not what it promises.
        writeFileSync(join(place, 'mirror/Packages'), '');
        const wrong = downloadPackage('zlayer-nothing', source, mkdtempSync(join(place, 'apt-')));
        await expect(wrong).rejects.toBeInstanceOf(SetupError);
        rmSync(join(place, 'mirror'), { recursive: true });
        const gone = downloadPackage('zlayer-nothing', source, mkdtempSync(join(place, 'apt-')));
        await expect(gone).rejects.toBeInstanceOf(SetupError);
      } finally {
        error.mockRestore();
        rmSync(place, { recursive: true, force: true });
      }
    },
  );

  it('takes sid from the mirror that the machine uses', () => {
    expect(FROM_SID in REQUIREMENTS).toBe(true);
    expect(sidSource()).toMatch(/^deb \[signed-by=\S+\] \S+\/debian sid main$/);
  });
});

/** A mirror with one package. Returns its line of sources.list. */
function makeMirror(place: string): string {
  const folder = join(place, 'package');
  mkdirSync(join(folder, 'DEBIAN'), { recursive: true });
  const control = [
    ...['Package: zlayer-nothing', 'Version: 1', 'Architecture: all', 'Maintainer: Nobody <nobody@example.com>'],
    'Description: a package of a test',
  ];
  writeFileSync(join(folder, 'DEBIAN/control'), `${control.join('\n')}\n`);
  const mirror = join(place, 'mirror');
  mkdirSync(mirror, { recursive: true });
  const file = 'zlayer-nothing_1_all.deb';
  execFileSync('dpkg-deb', ['--build', '--root-owner-group', folder, join(mirror, file)], { stdio: 'ignore' });
  const sum = (path: string): string[] => execFileSync('sha256sum', [path], { encoding: 'utf8' }).split(' ');
  const size = (path: string): string => execFileSync('stat', ['-c', '%s', path], { encoding: 'utf8' }).trim();
  const deb = join(mirror, file);
  const entry = [...control.slice(0, -1), `Filename: ./${file}`, `Size: ${size(deb)}`, `SHA256: ${sum(deb)[0]}`];
  const packages = join(mirror, 'Packages');
  writeFileSync(packages, `${[...entry, control.at(-1)].join('\n')}\n`);
  const release = [
    `Date: ${new Date(Date.now() - 7_200_000).toUTCString()}`,
    'SHA256:',
    ` ${sum(packages)[0]} ${size(packages)} Packages`,
  ];
  writeFileSync(join(mirror, 'Release'), `${release.join('\n')}\n`);
  return `deb [trusted=yes] file:${mirror} ./`;
}
