import { CONFORMANCE_IMAGES } from '../conformance/conformance-images.ts';
import { conformanceShell, datagramEcho } from './conformance-programs.ts';
import type { FakeImage } from './fake-image.ts';

const common = {
  files: Object.fromEntries(Object.entries(CONFORMANCE_IMAGES.shell.files).map(([path, text]) => [`/${path}`, text])),
  programs: { '/bin/sh': conformanceShell },
  users: { tester: { uid: 1234, gid: 1235 } },
  groups: { testers: 1235, others: 1236 },
};
const { config } = CONFORMANCE_IMAGES.configured;

/** The images of the conformance suite, by references for a `FakeRuntime` and for `conformanceSuite` alike. */
export const FAKE_CONFORMANCE_IMAGES: Readonly<Record<'shell' | 'configured' | 'datagrams', FakeImage>> = {
  shell: { ...common, env: CONFORMANCE_IMAGES.shell.config.Env },
  datagrams: { programs: { echo: datagramEcho }, command: ['echo'] },
  configured: {
    ...common,
    entrypoint: config.Entrypoint,
    command: config.Cmd,
    env: config.Env,
    workdir: config.WorkingDir,
    user: config.User,
  },
};
