import type { SandboxPolicy } from '../src/index.ts';

const BASE = {
  rootfs: '/private/var/zlayer/containers/web-1/rootfs',
  workspace: '/private/var/zlayer/containers/web-1/tmp',
};

/** What typical specs ask for; `golden/NAME.sb` is the profile of each. */
export const TYPICAL_POLICIES: Readonly<Record<string, SandboxPolicy>> = {
  'no-network': BASE,
  'web-server': {
    ...BASE,
    network: { mode: 'localhost', bindPorts: [8080], connectPorts: [8080], outboundPorts: [443, 80, 53] },
  },
  'full-network': { ...BASE, network: { mode: 'full' }, platformPrograms: false },
  binds: {
    ...BASE,
    folders: [
      { path: '/Users/me/project', access: 'write', storage: 0 },
      { path: '/Users/me/project/.git', access: 'read', storage: 2 },
      { path: '/Users/me/a "quoted" (folder)', access: 'read', storage: 1 },
    ],
    unixSockets: [
      { path: '/private/var/run/zlayer/api.sock', access: 'connect' },
      { path: '/private/var/zlayer/containers/web-1/tmp/app.sock', access: 'listen' },
    ],
  },
  metal: { ...BASE, gpu: 'metal' },
  mps: { ...BASE, tag: 'web-1_f3a9', gpu: 'mps', network: { mode: 'localhost', bindPorts: [], connectPorts: [11434] } },
};
