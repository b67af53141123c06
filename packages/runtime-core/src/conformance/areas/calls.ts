import type { ContainerReference } from '../../container-reference.ts';
import type { Runtime } from '../../runtime.ts';
import type { Capability } from '../capability.ts';
import { drain } from '../expect-error.ts';

/** A call of a runtime about one container. */
export interface ContainerCall {
  /** The capability that it needs; without one every runtime has it. */
  needs?: Capability;
  call: (runtime: Runtime, container: ContainerReference) => Promise<unknown>;
}

async function* nothing(): AsyncGenerator<Uint8Array, void> {}

const OTHER = { service: 'conformance-renamed', replica: 0 };
const TERMINAL = { columns: 80, rows: 24 };
const OVERLAY = { overlayIp: '10.0.0.2', prefixLength: 24, privateKey: '', listenPort: 51820, peers: [] };

/** Every call about a container that has to exist. */
export const CONTAINER_CALLS: Readonly<Record<string, ContainerCall>> = {
  startContainer: { call: (runtime, container) => runtime.startContainer(container) },
  killContainer: { call: (runtime, container) => runtime.killContainer(container, 'SIGTERM') },
  containerState: { call: (runtime, container) => runtime.containerState(container) },
  inspectContainer: { call: (runtime, container) => runtime.inspectContainer(container) },
  waitContainer: { call: (runtime, container) => runtime.waitContainer(container) },
  containerLogs: { call: (runtime, container) => runtime.containerLogs(container) },
  logsStream: { call: async (runtime, container) => drain(runtime.logsStream(container)) },
  attachContainer: { call: async (runtime, container) => drain(runtime.attachContainer(container)) },
  pauseContainer: { needs: 'containers.pause', call: (runtime, container) => runtime.pauseContainer(container) },
  unpauseContainer: { needs: 'containers.pause', call: (runtime, container) => runtime.unpauseContainer(container) },
  renameContainer: {
    needs: 'containers.rename',
    call: (runtime, container) => runtime.renameContainer(container, OTHER),
  },
  writeStdin: {
    needs: 'containers.stdin',
    call: (runtime, container) => runtime.writeStdin(container, new Uint8Array(1)),
  },
  closeStdin: { needs: 'containers.stdin', call: (runtime, container) => runtime.closeStdin(container) },
  resizeTerminal: {
    needs: 'containers.tty',
    call: (runtime, container) => runtime.resizeTerminal(container, TERMINAL),
  },
  getContainerPid: { call: (runtime, container) => runtime.getContainerPid(container) },
  getContainerPortOverride: { call: (runtime, container) => runtime.getContainerPortOverride(container) },
  exec: { needs: 'exec.buffered', call: (runtime, container) => runtime.exec(container, ['/bin/sh']) },
  execStream: { needs: 'exec.streaming', call: (runtime, container) => runtime.execStream(container, ['/bin/sh']) },
  'execStream with a terminal': {
    needs: 'exec.tty',
    call: (runtime, container) => runtime.execStream(container, ['/bin/sh'], { tty: TERMINAL }),
  },
  connect: { needs: 'network.connect', call: (runtime, container) => runtime.connect(container, 7777) },
  getContainerStats: { needs: 'containers.stats', call: (runtime, container) => runtime.getContainerStats(container) },
  statsStream: { needs: 'containers.stats', call: async (runtime, container) => drain(runtime.statsStream(container)) },
  topContainer: { needs: 'containers.top', call: (runtime, container) => runtime.topContainer(container) },
  getContainerIp: { needs: 'network.containerIp', call: (runtime, container) => runtime.getContainerIp(container) },
  portMappings: { needs: 'network.publish', call: (runtime, container) => runtime.portMappings(container) },
  pushOverlayConfig: {
    needs: 'network.overlay',
    call: (runtime, container) => runtime.pushOverlayConfig(container, OVERLAY),
  },
  archiveGet: { needs: 'containers.archive', call: (runtime, container) => runtime.archiveGet(container, '/') },
  archivePut: {
    needs: 'containers.archive',
    call: (runtime, container) => runtime.archivePut(container, '/', nothing()),
  },
  archiveHead: { needs: 'containers.archive', call: (runtime, container) => runtime.archiveHead(container, '/') },
};

/** Every call that needs a capability and is about no container. */
export const RUNTIME_CALLS: Readonly<
  Record<string, { needs: Capability; call: (runtime: Runtime, image: string) => Promise<unknown> }>
> = {
  listImages: { needs: 'images.list', call: (runtime) => runtime.listImages() },
  removeImage: { needs: 'images.remove', call: (runtime, image) => runtime.removeImage(image) },
  tagImage: { needs: 'images.tag', call: (runtime, image) => runtime.tagImage(image, `${image}-tagged`) },
  pruneImages: { needs: 'images.prune', call: (runtime) => runtime.pruneImages() },
  saveImages: { needs: 'images.archive', call: async (runtime, image) => drain(runtime.saveImages([image])) },
  loadImages: { needs: 'images.archive', call: (runtime) => runtime.loadImages(nothing()) },
  pushImage: { needs: 'images.push', call: (runtime, image) => runtime.pushImage(image) },
  recover: { needs: 'containers.recover', call: (runtime) => runtime.recover() },
};
