import { CONFORMANCE_SCRIPTS } from './conformance-scripts.ts';

const PATH = 'PATH=/bin:/sbin:/usr/bin:/usr/sbin';

/** A user and a group by name. The ids differ from each other, so that nobody can mix them up unnoticed. */
const ACCOUNTS = {
  'etc/passwd': 'root:x:0:0:root:/:/bin/sh\ntester:x:1234:1235:tester:/:/bin/sh\n',
  'etc/group': 'root:x:0:\ntesters:x:1235:\nothers:x:1236:\n',
};

/**
 * The images that the suite needs, for a runtime's author to build: busybox with its applets in `/bin` (among them
 * `sh`, `cat`, `id`, `stty`, `nc`), the `files`, and the `config` object of the OCI image configuration.
 */
export const CONFORMANCE_IMAGES = {
  /** Has no command, so that the spec has to bring one. */
  shell: { config: { Env: [PATH] }, files: ACCOUNTS },
  /** Says everything that an image can say about its process. */
  configured: {
    config: {
      Entrypoint: ['/bin/sh', '-c', CONFORMANCE_SCRIPTS.surroundings, 'configured'],
      Cmd: ['from', 'image'],
      Env: [PATH, 'CONFORMANCE_IMAGE=of the image', 'CONFORMANCE_BOTH=of the image'],
      WorkingDir: '/srv/conformance',
      User: '1234:1235',
    },
    files: ACCOUNTS,
  },
} as const;
