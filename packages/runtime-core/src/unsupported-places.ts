import type { RuntimeCapabilities } from './capabilities.ts';
import { UnsupportedError } from './errors.ts';
import { formatPlatform, parsePlatform, samePlatform } from './platform.ts';
import type { ServiceSpec } from './service-spec.ts';
import { parseUser } from './user.ts';

/** What a spec asks for that not every runtime can do: where it says so, and whether a runtime declares it. */
type Demand = (spec: ServiceSpec, capabilities: RuntimeCapabilities) => readonly string[];

const when = (asked: boolean, declared: boolean, place: string): string[] => (asked && !declared ? [place] : []);

const DEMANDS: readonly Demand[] = [
  ({ platform }, { platforms }) => {
    if (platform === undefined) return [];
    const wanted = parsePlatform(platform);
    return when(
      true,
      platforms.some((each) => samePlatform(each, wanted)),
      `platform ${formatPlatform(wanted)}`,
    );
  },
  ({ sourcePolicy }, { images }) =>
    when(true, images.sourcePolicies.includes(sourcePolicy), `sourcePolicy ${sourcePolicy}`),
  ({ rootfs: { type } }, { rootfs }) => when(true, rootfs.types.includes(type), `rootfs.type ${type}`),
  (spec, { rootfs }) => when(spec.rootfs.size !== undefined, rootfs.size, 'rootfs.size'),
  ({ user }, { users }) => when(user !== undefined && namesSomebody(user), users.names, 'user by name'),
  ({ hostname }, { process }) => when(hostname !== undefined, process.hostname, 'hostname'),
  ({ resources: { pids } }, { resources }) => when(pids !== undefined, resources.includes('pids'), 'resources.pids'),
  ({ resources: { gpu } }, { resources }) => when(gpu !== undefined, resources.includes('gpu'), 'resources.gpu'),
  ({ resources: { ulimits } }, { resources }) =>
    when(Object.keys(ulimits).length > 0, resources.includes('ulimits'), 'resources.ulimits'),
  (spec, { storage }) =>
    spec.storage.flatMap(({ type }, index) => when(true, storage.includes(type), `storage[${index}] of type ${type}`)),
  ({ ports }, { network }) =>
    ports.flatMap(({ protocol }, index) =>
      when(true, network.publish.includes(protocol), `ports[${index}] of protocol ${protocol}`),
    ),
  ({ sockets }, { network }) => when(sockets.length > 0, network.sockets, 'sockets'),
  ({ networkMode }, { network }) => when(true, network.modes.includes(networkMode), `networkMode ${networkMode}`),
  ({ dns: { servers, search } }, { network }) => when(servers.length + search.length > 0, network.dns, 'dns'),
  ({ extraHosts }, { network }) => when(Object.keys(extraHosts).length > 0, network.extraHosts, 'extraHosts'),
  ({ readOnlyRoot }, { process }) => when(readOnlyRoot, process.readOnlyRoot, 'readOnlyRoot'),
  ({ capabilities: { add, drop } }, { process }) =>
    when(add.length + drop.length > 0, process.capabilities, 'capabilities'),
  ({ init }, { process }) => when(!init, process.withoutInit, 'init: false'),
  ({ lifecycle }, { containers }) => [
    ...when(lifecycle.onOwnerExit === 'keep', containers.keep, 'lifecycle.onOwnerExit keep'),
    ...when(lifecycle.restart.policy !== 'no', containers.restartPolicies, 'lifecycle.restart'),
    ...when(lifecycle.maxLifetime !== undefined, containers.maxLifetime, 'lifecycle.maxLifetime'),
    ...when(lifecycle.idleTimeout !== undefined, containers.idleTimeout, 'lifecycle.idleTimeout'),
  ],
  ({ healthCheck }, { containers }) => when(healthCheck !== undefined, containers.healthChecks, 'healthCheck'),
  ({ tty }, { containers }) => when(tty, containers.tty, 'tty'),
  ({ openStdin }, { containers }) => when(openStdin, containers.stdin, 'openStdin'),
];

/**
 * Every place of a spec that asks for what a runtime does not declare, such as `hostname` or `storage[0] of type bind`;
 * empty when the runtime can do it all.
 */
export function unsupportedPlaces(spec: ServiceSpec, capabilities: RuntimeCapabilities): string[] {
  return DEMANDS.flatMap((demand) => demand(spec, capabilities));
}

/**
 * Refuses what a runtime would have to leave out of a spec. For authors of runtimes, at the beginning of
 * `createContainer`.
 *
 * @throws ZlayerError `UNSUPPORTED` that names every such place; the first is its subject.
 */
export function refuseUnsupported(
  { name, capabilities }: { name: string; capabilities: RuntimeCapabilities },
  spec: ServiceSpec,
): void {
  const places = unsupportedPlaces(spec, capabilities);
  if (places.length === 0) return;
  throw new UnsupportedError(`the runtime ${name} does not support this of the spec: ${places.join(', ')}`, {
    subject: places[0],
    remedy: 'Leave it out, or use a runtime whose capabilities() have it.',
  });
}

function namesSomebody(text: string): boolean {
  const { user, group } = parseUser(text);
  return 'name' in user || (group !== undefined && 'name' in group);
}
