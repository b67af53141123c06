import { ZlayerError } from '@zlayer/runtime-core';
import { checkPolicy } from './check-policy.ts';
import { GPU_GRANTS } from './gpu-grants.ts';
import { filters, ProfileText } from './profile-text.ts';
import type { SandboxNetwork, SandboxPolicy, SandboxSocket } from './sandbox-policy.ts';
import type { SandboxProfile } from './sandbox-profile.ts';

const LIBRARIES = [
  '/System/Cryptexes',
  '/System/Library',
  '/System/Volumes/Preboot/Cryptexes',
  '/private/var/db/dyld',
  '/usr/lib',
];
const SHARED_DATA = ['/private/var/db/timezone', '/usr/share'];
const PLATFORM_PROGRAMS = ['/bin', '/sbin', '/usr/bin', '/usr/libexec', '/usr/sbin'];
const RESOLVER_FILES = ['/private/etc/hosts', '/private/etc/resolv.conf', '/private/etc/services', '/private/etc/ssl'];

/**
 * The profile of a policy whose paths are real paths already; `generateProfile` resolves them first.
 *
 * Values of the policy are parameters and never part of the text, rules come in an order that does not depend on the
 * policy's, and a comment above each group of rules says which part of the spec it serves.
 *
 * @throws ZlayerError `INVALID_SPEC` that names the field.
 */
export function formatProfile(policy: SandboxPolicy): SandboxProfile {
  checkPolicy(policy);
  const profile = new ProfileText(policy.tag);
  profile.line('(version 1)');
  profile.rule('deny', ['default']);
  addProcess(profile);
  addSystem(profile, policy.platformPrograms ?? true);
  addFolders(profile, policy);
  addGpu(profile, policy.gpu ?? 'none');
  addNetwork(profile, policy.network ?? { mode: 'none' });
  addSockets(profile, policy.unixSockets ?? []);
  addDevices(profile);
  return profile.finish();
}

function addProcess(profile: ProfileText): void {
  profile.section('every container: its own processes');
  profile.rule('allow', ['process-fork']);
  profile.rule('allow', ['signal', 'process-info*'], ['(target same-sandbox)']);
  profile.rule('allow', ['sysctl-read', 'system-info']);
  profile.rule('allow', ['ipc-posix-sem', 'ipc-posix-shm*']);
  profile.rule('allow', ['mach-lookup'], filters('global-name', ['com.apple.system.opendirectoryd.libinfo']));
}

function addSystem(profile: ProfileText, platformPrograms: boolean): void {
  profile.section("every container: the system's libraries");
  profile.rule('allow', ['file-read*', 'file-map-executable'], filters('subpath', LIBRARIES));
  profile.rule(
    'allow',
    ['file-read*'],
    [
      ...filters('subpath', SHARED_DATA),
      ...filters('literal', ['/', '/dev/random', '/dev/urandom', '/private/etc/localtime', '/private/etc/passwd']),
    ],
  );
  profile.rule(
    'allow',
    ['file-read-metadata'],
    filters('literal', ['/dev', '/etc', '/private', '/tmp', '/usr', '/var']),
  );
  if (!platformPrograms) return;
  profile.section("command: the system's programs");
  profile.rule('allow', ['file-read*', 'file-map-executable', 'process-exec*'], filters('subpath', PLATFORM_PROGRAMS));
}

interface Tree {
  path: string;
  access: 'read' | 'write';
  parameter: string;
  serves: string;
}

function addFolders(
  profile: ProfileText,
  { rootfs, readOnlyRoot = false, workspace, folders = [] }: SandboxPolicy,
): void {
  const trees: Tree[] = [
    {
      path: rootfs,
      access: readOnlyRoot ? 'read' : 'write',
      parameter: 'ROOTFS',
      serves: readOnlyRoot ? 'image, readOnlyRoot: the root file system' : 'image: the root file system',
    },
    { path: workspace, access: 'write', parameter: 'WORKSPACE', serves: 'every container: its workspace' },
  ];
  const given = folders.toSorted((a, b) => compare(a.path, b.path) || (a.storage ?? -1) - (b.storage ?? -1));
  for (const [index, { path, access, storage }] of given.entries()) {
    const source = storage === undefined ? 'a folder' : `storage[${storage}]`;
    trees.push({ path, access, parameter: `FOLDER_${index}`, serves: `${source}: ${LABELS[access]}` });
  }
  // The last rule that matches wins, so a folder comes after the one that it lies in.
  for (const tree of trees.toSorted((a, b) => compare(a.path, b.path))) addTree(profile, tree);
}

const LABELS = { read: 'read-only', write: 'writable' };

function addTree(profile: ProfileText, { path, access, parameter, serves }: Tree): void {
  profile.section(serves);
  const value = profile.parameter(parameter, path);
  profile.rule('allow', ['file-read-metadata'], [`(path-ancestors ${value})`]);
  const operations = ['file-read*', 'file-map-executable', 'process-exec*'];
  if (access === 'write') operations.push('file-write*');
  profile.rule('allow', operations, [`(subpath ${value})`]);
  if (access === 'read') profile.rule('deny', ['file-write*'], [`(subpath ${value})`]);
}

/** By code unit, the same on every machine. A path comes before those that begin with it. */
function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function addGpu(profile: ProfileText, gpu: 'none' | 'metal' | 'mps'): void {
  if (gpu === 'none') return;
  for (const { purpose, operation, filters: values } of GPU_GRANTS[gpu]) {
    profile.section(`GPU (${gpu}): ${purpose}`);
    profile.rule(
      'allow',
      [operation],
      Object.entries(values).flatMap(([kind, names]) => filters(kind, names)),
    );
  }
}

function addNetwork(profile: ProfileText, network: SandboxNetwork): void {
  switch (network.mode) {
    case 'none':
      profile.section('network: none');
      return;
    case 'full':
      profile.section('network: full');
      profile.rule('allow', ['network*', 'system-socket']);
      addResolver(profile);
      return;
    case 'localhost':
      addLocalhost(profile, network);
      return;
    default:
      throw unknownMode(network);
  }
}

function unknownMode(network: never): ZlayerError {
  return new ZlayerError('INVALID_SPEC', 'network.mode is not one of none, localhost, full', {
    subject: 'network.mode',
    cause: network,
  });
}

function addLocalhost(profile: ProfileText, network: Extract<SandboxNetwork, { mode: 'localhost' }>): void {
  const bind = ordered(network.bindPorts);
  const connect = ordered(network.connectPorts);
  const outbound = ordered(network.outboundPorts ?? []);
  if (bind.length > 0) {
    profile.section('endpoints: ports to listen on');
    profile.rule('allow', ['network-bind', 'network-inbound'], addresses('local', 'localhost', bind));
  }
  if (connect.length > 0) {
    profile.section('endpoints: ports of this machine to connect to');
    profile.rule('allow', ['network-outbound'], addresses('remote', 'localhost', connect));
  }
  if (outbound.length === 0) return;
  profile.section('network: ports of any host to connect to');
  profile.rule('allow', ['network-outbound'], addresses('remote', '*', outbound));
  addResolver(profile);
}

function addResolver(profile: ProfileText): void {
  profile.section('network: names, certificates');
  profile.rule('allow', ['network-outbound'], filters('literal', ['/private/var/run/mDNSResponder']));
  profile.rule(
    'allow',
    ['mach-lookup'],
    filters('global-name', [
      'com.apple.SystemConfiguration.DNSConfiguration',
      'com.apple.SystemConfiguration.configd',
      'com.apple.dnssd.service',
      'com.apple.trustd.agent',
    ]),
  );
  profile.rule('allow', ['file-read*'], filters('subpath', RESOLVER_FILES));
}

function addresses(side: 'local' | 'remote', host: string, ports: readonly number[]): string[] {
  return ports.map((port) => `(${side} ip "${host}:${port}")`);
}

function ordered(ports: readonly number[]): number[] {
  return [...new Set(ports)].toSorted((a, b) => a - b);
}

function addSockets(profile: ProfileText, sockets: readonly SandboxSocket[]): void {
  if (sockets.length === 0) return;
  profile.section('Unix sockets');
  profile.rule('allow', ['system-socket'], ['(socket-domain AF_UNIX)']);
  const given = sockets.toSorted((a, b) => compare(a.path, b.path) || compare(a.access, b.access));
  for (const [index, { path, access }] of given.entries()) {
    const value = profile.parameter(`SOCKET_${index}`, path);
    profile.rule('allow', ['network-outbound'], [`(remote unix-socket (subpath ${value}))`]);
    if (access === 'connect') continue;
    profile.rule('allow', ['network-bind', 'network-inbound'], [`(local unix-socket (subpath ${value}))`]);
    profile.rule('allow', ['file-write-create', 'file-write-unlink'], [`(literal ${value})`]);
  }
}

function addDevices(profile: ProfileText): void {
  profile.section('every container: /dev/null and terminals');
  profile.rule(
    'allow',
    ['file-read-data', 'file-read-metadata', 'file-write-data'],
    filters('literal', ['/dev/null', '/dev/zero']).map(
      (literal) => `(require-all ${literal} (vnode-type CHARACTER-DEVICE))`,
    ),
  );
  profile.rule('allow', ['pseudo-tty']);
  profile.rule('allow', ['file-read*', 'file-write*', 'file-ioctl'], filters('literal', ['/dev/ptmx']));
  // The kernel gives the extension for terminals that the process has opened itself; the user's others stay closed.
  const ownTerminal = '(require-all (regex #"^/dev/ttys[0-9]+$") (extension "com.apple.sandbox.pty"))';
  profile.rule('allow', ['file-read*', 'file-write*', 'file-ioctl'], [ownTerminal]);
}
