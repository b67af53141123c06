import type { RuntimeCapabilities } from '../capabilities.ts';

/** The capabilities that tests depend on, and how a runtime declares each. */
export const DECLARED = {
  'images.list': ({ images }: RuntimeCapabilities) => images.list,
  'images.remove': ({ images }: RuntimeCapabilities) => images.remove,
  'images.tag': ({ images }: RuntimeCapabilities) => images.tag,
  'images.prune': ({ images }: RuntimeCapabilities) => images.prune,
  'images.archive': ({ images }: RuntimeCapabilities) => images.archive,
  'images.push': ({ images }: RuntimeCapabilities) => images.push,
  'containers.pause': ({ containers }: RuntimeCapabilities) => containers.pause,
  'containers.rename': ({ containers }: RuntimeCapabilities) => containers.rename,
  'containers.stdin': ({ containers }: RuntimeCapabilities) => containers.stdin,
  'containers.stats': ({ containers }: RuntimeCapabilities) => containers.stats,
  'containers.top': ({ containers }: RuntimeCapabilities) => containers.top,
  'containers.archive': ({ containers }: RuntimeCapabilities) => containers.archive,
  'containers.recover': ({ containers }: RuntimeCapabilities) => containers.recover,
  'exec.buffered': ({ exec }: RuntimeCapabilities) => exec.buffered,
  'exec.streaming': ({ exec }: RuntimeCapabilities) => exec.streaming,
  'exec.tty': ({ exec }: RuntimeCapabilities) => exec.tty,
  'users.names': ({ users }: RuntimeCapabilities) => users.names,
  'network.publish': ({ network }: RuntimeCapabilities) => network.publish.length > 0,
  'network.connect': ({ network }: RuntimeCapabilities) => network.connect,
  'network.containerIp': ({ network }: RuntimeCapabilities) => network.containerIp,
  'network.overlay': ({ network }: RuntimeCapabilities) => network.overlay,
} as const;

/** A capability by the path of its place in `RuntimeCapabilities`. */
export type Capability = keyof typeof DECLARED;
