import type { Runtime } from '../runtime.ts';
import type { Isolation } from './isolation.ts';

/** What a runtime runs containers in: a virtual machine with Linux or macOS, or a process that Seatbelt confines. */
export type DelegateKind = 'linux-vm' | 'macos-vm' | 'seatbelt';

/** A runtime to which a `CompositeRuntime` hands containers. */
export interface CompositeDelegate {
  runtime: Runtime;
  kind: DelegateKind;
  /** What it answers to in the isolation label of a container and the runtime label of an image. */
  isolation: readonly Isolation[];
}
