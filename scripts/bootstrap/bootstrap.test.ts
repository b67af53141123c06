import { describe, expect, it } from 'vitest';
import { run, SetupError, step } from './steps.mjs';
import { adviceFor, REQUIREMENTS, whyNotApt } from './system-packages.mjs';

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
});
