// What the project needs from the operating system, and how Debian brings it.

import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { installFromSid, removeSidFromSources } from './package-of-sid.mjs';
import { run, SetupError, step } from './steps.mjs';

/** Debian package → one of these files (absolute) or commands (bare) shows that it is there. */
export const REQUIREMENTS = {
  'ca-certificates': ['/etc/ssl/certs/ca-certificates.crt'],
  gcc: ['cc'],
  'libc6-dev': ['/usr/include/stdio.h'],
  'qemu-system-x86': ['qemu-system-x86_64'],
  'qemu-system-arm': ['qemu-system-aarch64'],
  'qemu-system-common': ['/usr/lib/qemu/virtiofsd', '/usr/libexec/virtiofsd', 'virtiofsd'],
  'vhost-device-vsock': ['vhost-device-vsock'],
  'musl-tools': ['musl-gcc'],
  'clang-16': ['clang-16'],
  'libclang-rt-16-dev': [
    '/usr/lib/llvm-16/lib/clang/16/lib/linux/libclang_rt.fuzzer-x86_64.a',
    '/usr/lib/llvm-16/lib/clang/16/lib/linux/libclang_rt.fuzzer-aarch64.a',
  ],
  'libgnustep-base-dev': ['/usr/include/GNUstep/Foundation/Foundation.h'],
  'libblocksruntime-dev': ['/usr/include/Block.h'],
  'gcc-aarch64-linux-gnu': ['aarch64-linux-gnu-gcc'],
  'libc6-dev-arm64-cross': ['/usr/aarch64-linux-gnu/include/linux/vm_sockets.h'],
  'busybox-static': ['/bin/busybox', '/usr/bin/busybox'],
  'docker-registry': ['docker-registry'],
  'apache2-utils': ['htpasswd'],
  attr: ['setfattr'],
  e2fsprogs: ['mkfs.ext4'],
  skopeo: ['skopeo'],
  umoci: ['umoci'],
  'erofs-utils': ['mkfs.erofs'],
  kmod: ['depmod'],
  openssl: ['openssl'],
  lz4: ['lz4'],
  make: ['make'],
  passt: ['passt'],
  python3: ['python3'],
  zsh: ['zsh'],
  fish: ['fish'],
  tmux: ['tmux'],
};

/** The one package that Debian's releases lack; it needs nothing newer than Debian 12's libc. All works without it. */
export const FROM_SID = 'vhost-device-vsock';

const folders = [...new Set([...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/bin', '/bin'])];

function isThere(file) {
  return file.startsWith('/') ? existsSync(file) : folders.some((folder) => folder && existsSync(join(folder, file)));
}

function missingPackages() {
  return Object.keys(REQUIREMENTS).filter((name) => !REQUIREMENTS[name].some(isThere));
}

/** Why packages cannot be installed from here; undefined when they can. */
export function whyNotApt(platform = process.platform, user = process.getuid?.()) {
  if (platform !== 'linux') return `this is ${platform}, not Debian`;
  if (!existsSync('/etc/debian_version') || !isThere('apt-get')) return 'this is not a Debian system';
  if (user !== 0) return 'only root may install packages';
  return undefined;
}

/** The exact list of what to install by hand. */
export function adviceFor(missing, reason) {
  const lines = missing.map((name) => `  ${name.padEnd(24)} (${REQUIREMENTS[name].join(' or ')})`);
  const stable = missing.filter((name) => name !== FROM_SID);
  const commands = [];
  if (stable.length > 0) commands.push(`  apt-get install --no-install-recommends ${stable.join(' ')}`);
  if (missing.includes(FROM_SID)) commands.push(`  apt-get install ${FROM_SID}    # optional, of Debian sid`);
  return [
    `Some programs are missing and cannot be installed from here: ${reason}.`,
    'Install these (names of Debian packages, and what each brings), then run the command again:',
    ...lines,
    'On Debian, as root:',
    ...commands,
  ].join('\n');
}

/**
 * Installs what is of use and not needed: a failure is told with what it costs, and does not end the set-up.
 *
 * @param {{ reason: string | undefined, install: () => Promise<void> }} options why nothing can be installed from here
 */
export async function installOptional({ reason, install }) {
  try {
    if (reason) throw new SetupError(reason);
    await install();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.warn(withoutVsock(error.message));
  }
}

function withoutVsock(why) {
  return [
    `Warning: ${FROM_SID} is not installed: ${why}.`,
    '  All works without it: QEMU machines talk to their agent over TCP on the loopback address (see packages/qemu/README.md,',
    '  "Control channel"), which is slower under many calls at once; tests that compare with a vsock fail.',
    `  To have it, install ${FROM_SID} (Debian sid has it) and run the command again.`,
  ].join('\n');
}

export async function installSystemPackages() {
  const missing = missingPackages();
  const needed = missing.filter((name) => name !== FROM_SID);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  await step(`Install Debian packages: ${needed.join(', ')}`, {
    done: () => needed.length === 0,
    run: async () => {
      const reason = whyNotApt();
      if (reason) throw new SetupError(adviceFor(missing, reason));
      removeSidFromSources();
      await run('apt-get', ['update', '-qq'], { env, quiet: true });
      await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...needed], { env, quiet: true });
      const still = missingPackages().filter((name) => name !== FROM_SID);
      if (still.length > 0)
        throw new SetupError(adviceFor(still, 'apt-get installed them without what is expected of them'));
    },
  });
  await step(`Install ${FROM_SID} from Debian sid`, {
    done: () => !missing.includes(FROM_SID),
    run: () =>
      installOptional({
        reason: whyNotApt(),
        install: async () => {
          removeSidFromSources();
          await installFromSid(FROM_SID);
        },
      }),
  });
}
