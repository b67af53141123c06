import { type ServiceSpec, UnsupportedError } from '@zlayer/runtime-core';
import type { SandboxFolder, SandboxGpu, SandboxNetwork, SandboxPolicy } from './sandbox-policy.ts';

/** What a spec does not say. */
export interface PolicyPlaces {
  /** Where the container's files are on the host. */
  rootfs: string;
  /** Its folder for temporary files. */
  workspace: string;
  /** A port that is kept for this container, beside those of its endpoints. */
  port?: number | undefined;
  /** Let a container with endpoints connect to the ports 53, 80 and 443 of every host. Default: false. */
  outbound?: boolean | undefined;
  /** See `SandboxPolicy`. */
  tag?: string | undefined;
}

/** For names, and for what is fetched over HTTP. */
const OUTBOUND_PORTS = [53, 80, 443];

/**
 * The policy that a spec asks for.
 *
 * A spec without endpoints has the full network; one with endpoints has their ports on this machine; `networkMode` `none`
 * is none, whatever else is asked for, and `host` is all. A bind opens its source, whatever its target: there is no chroot.
 *
 * @throws ZlayerError `UNSUPPORTED` that names the place of the spec which no profile can serve.
 */
export function policyForSpec(spec: ServiceSpec, places: PolicyPlaces): SandboxPolicy {
  if (spec.sockets.length > 0) throw unsupported('sockets', 'A program can make the socket at its path on the host.');
  const { rootfs, workspace, tag } = places;
  return {
    rootfs,
    workspace,
    readOnlyRoot: spec.readOnlyRoot,
    folders: spec.storage.map(folderOf),
    gpu: gpuOf(spec.resources.gpu),
    network: networkOf(spec, places),
    tag,
  };
}

function folderOf(mount: ServiceSpec['storage'][number], index: number): SandboxFolder {
  if (mount.type !== 'bind') {
    throw unsupported(`storage[${index}] of type ${mount.type}`, 'Bind a folder of the host.');
  }
  return { path: mount.source, access: mount.readOnly ? 'read' : 'write', storage: index };
}

function gpuOf(gpu: ServiceSpec['resources']['gpu']): SandboxGpu {
  if (gpu === undefined) return 'none';
  const { vendor, mode = 'metal', count } = gpu;
  if (vendor !== 'apple') throw unsupported(`resources.gpu.vendor ${vendor}`, 'Use "apple".');
  if (count !== 1) throw unsupported('resources.gpu.count', 'A Mac has one GPU; leave it out.');
  if (mode !== 'metal' && mode !== 'mps') throw unsupported(`resources.gpu.mode ${mode}`, 'Use "metal" or "mps".');
  return mode;
}

function networkOf({ networkMode, endpoints }: ServiceSpec, { port, outbound = false }: PolicyPlaces): SandboxNetwork {
  if (networkMode === 'none') return { mode: 'none' };
  if (networkMode === 'host' || endpoints.length === 0) return { mode: 'full' };
  const ports = endpoints.map(({ targetPort }) => targetPort);
  if (port !== undefined) ports.push(port);
  return { mode: 'localhost', bindPorts: ports, connectPorts: ports, outboundPorts: outbound ? OUTBOUND_PORTS : [] };
}

function unsupported(place: string, remedy: string): InstanceType<typeof UnsupportedError> {
  return new UnsupportedError(`a Seatbelt profile cannot do this: ${place}`, { subject: place, remedy });
}
