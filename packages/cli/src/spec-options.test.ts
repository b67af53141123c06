import { parseServiceSpec } from '@zlayer/runtime-core';
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { type SpecOptions, specOf, withSpecOptions } from './spec-options.ts';

const sources = {
  env: { SHELL_ONLY: 'passed on' },
  cwd: '/here',
  envFiles: ['# comment\nA=file\nB=file\nSHELL_ONLY\n'],
};

function specFor(...args: string[]) {
  const command = withSpecOptions(new Command().exitOverride().helpOption('--help').argument('<image>'))
    .configureOutput({ writeErr: () => {} })
    .parse([...args, 'image'], { from: 'user' });
  return parseServiceSpec(specOf('image', [], command.opts<SpecOptions>(), sources));
}

describe('the options of run and create', () => {
  it('change nothing that they do not name', () => {
    const plain = parseServiceSpec({ image: 'image', pullPolicy: 'never' });
    expect(specFor()).toEqual({ ...plain, env: { A: 'file', B: 'file', SHELL_ONLY: 'passed on' } });
  });

  it.each<[string[], object]>([
    [['-e', 'A=option', '-e', 'C=a=b'], { env: { A: 'option', B: 'file', C: 'a=b', SHELL_ONLY: 'passed on' } }],
    [
      ['-p', '8080:80', '-p', '[::1]:53:53/udp'],
      { ports: [{ hostPort: 8080 }, { hostAddress: '::1', protocol: 'udp' }] },
    ],
    [
      ['--publish-socket', './a.sock:/run/a.sock'],
      { sockets: [{ hostPath: '/here/a.sock', containerPath: '/run/a.sock' }] },
    ],
    [['-v', './data:/data:ro'], { storage: [{ type: 'bind', target: '/data', readOnly: true }] }],
    [['-v', 'name:/data'], { storage: [{ type: 'named', name: 'name' }] }],
    [['-v', '/data'], { storage: [{ type: 'anonymous', target: '/data' }] }],
    [['--mount', 'type=bind,src=/a,dst=/b,readonly'], { storage: [{ type: 'bind', source: '/a', readOnly: true }] }],
    [['--mount', 'type=volume,source=v,target=/b,readonly=false'], { storage: [{ type: 'named', readOnly: false }] }],
    [['--tmpfs', '/run:size=64m,mode=700'], { storage: [{ type: 'tmpfs', target: '/run', size: '64m', mode: 0o700 }] }],
    [
      ['--ulimit', 'nofile=10:20', '--ulimit', 'core=0'],
      { resources: { ulimits: { nofile: { soft: 10, hard: 20 } } } },
    ],
    [['--restart', 'on-failure:3'], { lifecycle: { restart: { policy: 'on-failure', maxRetries: 3 } } }],
    [['--health-cmd', 'check', '--health-interval', '5s'], { healthCheck: { interval: 5000 } }],
    [['--stop-timeout', '3', '--stop-signal', 'INT'], { stopGracePeriod: 3000, stopSignal: 'INT' }],
    [['-it', '--rm'], { tty: true, openStdin: true, lifecycle: { deleteOnExit: true } }],
    [['--network', 'none', '--dns', '1.1.1.1', '--add-host', 'db:10.0.0.1'], { extraHosts: { db: '10.0.0.1' } }],
    [['--cap-add', 'net_admin', '--cap-drop', 'ALL'], { capabilities: { add: ['CAP_NET_ADMIN'], drop: ['ALL'] } }],
    [['--read-only', '--no-init', '-h', 'box', '-w', '/srv'], { readOnlyRoot: true, init: false, hostname: 'box' }],
    [['--entrypoint', ''], { command: { entrypoint: [] } }],
    [['-m', '1g', '-c', '2', '--pids-limit', '9'], { resources: { memory: '1g', cpu: 2, pids: 9 } }],
  ])('%j', (args, expected) => {
    expect(specFor(...args)).toMatchObject(expected);
  });

  it('takes -1 as no limit of processes', () => {
    expect(specFor('--pids-limit', '-1').resources.pids).toBeUndefined();
  });

  it('makes relative binds absolute', () => {
    expect(specFor('-v', './data:/data').storage).toMatchObject([{ source: '/here/data' }]);
  });

  it.each([
    ['--mount', 'type=bind,target=/b'],
    ['--mount', 'type=volume,tarrget=/b'],
    ['--tmpfs', '/run:siez=1'],
    ['--ulimit', 'nofile'],
    ['--restart', 'sometimes'],
    ['--memory', 'lots'],
    ['-v', '../up:rel'],
  ])('refuses %s %s', (...args) => {
    expect(() => specFor(...args)).toThrow(expect.objectContaining({ code: 'INVALID_SPEC' }));
  });
});
