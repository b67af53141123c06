// What the project needs from the operating system, and how Debian brings it.

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
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
  python3: ['python3'],
  zsh: ['zsh'],
  fish: ['fish'],
};

/** The one package that Debian 12 lacks; it needs nothing newer than Debian 12's libc. */
const FROM_SID = 'vhost-device-vsock';
const SID_SOURCE = '/etc/apt/sources.list.d/zlayer-sid.sources';
const SID_PIN = '/etc/apt/preferences.d/zlayer-sid';

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
  if (missing.includes(FROM_SID)) commands.push(`  apt-get install ${FROM_SID}    # Debian 13 or later, or from sid`);
  return [
    `Some programs are missing and cannot be installed from here: ${reason}.`,
    'Install these (names of Debian packages, and what each brings), then run the command again:',
    ...lines,
    'On Debian, as root:',
    ...commands,
  ].join('\n');
}

/** The address and the keyring of the mirror that the machine already uses, so that sid comes from the same place. */
function debianMirror() {
  const found = { uri: 'http://deb.debian.org/debian', keyring: '/usr/share/keyrings/debian-archive-keyring.gpg' };
  const folder = '/etc/apt/sources.list.d';
  const files = [
    '/etc/apt/sources.list',
    ...(existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : []),
  ];
  for (const file of files.filter((name) => existsSync(name) && name !== SID_SOURCE)) {
    const text = readFileSync(file, 'utf8');
    const uri = text.match(/^(?:URIs:\s*|deb\s+(?:\[[^\]]*\]\s+)?)(\S+\/debian)\/?(?:\s|$)/m)?.[1];
    if (uri) return { ...found, uri };
  }
  return found;
}

function enableSidForOnePackage() {
  const { uri, keyring } = debianMirror();
  writeFileSync(SID_SOURCE, `Types: deb\nURIs: ${uri}\nSuites: sid\nComponents: main\nSigned-By: ${keyring}\n`);
  // A negative priority forbids everything of sid; the second record lets in the one package by name.
  writeFileSync(
    SID_PIN,
    `Package: *\nPin: release n=sid\nPin-Priority: -1\n\nPackage: ${FROM_SID}\nPin: release n=sid\nPin-Priority: 500\n`,
  );
}

export async function installSystemPackages() {
  const missing = missingPackages();
  await step(`Install Debian packages: ${missing.join(', ')}`, {
    done: () => missing.length === 0,
    run: async () => {
      const reason = whyNotApt();
      if (reason) throw new SetupError(adviceFor(missing, reason));
      if (missing.includes(FROM_SID)) enableSidForOnePackage();
      const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
      await run('apt-get', ['update', '-qq'], { env, quiet: true });
      await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing], { env, quiet: true });
      const still = missingPackages();
      if (still.length > 0)
        throw new SetupError(adviceFor(still, 'apt-get installed them without what is expected of them'));
    },
  });
}
