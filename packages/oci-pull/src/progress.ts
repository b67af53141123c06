import type { Digest } from './digest.ts';
import type { Platform } from './platform.ts';

/** What happens during a pull or an import, as it happens. */
export type PullProgress =
  | {
      readonly type: 'resolved';
      /** Digest of the manifest for the platform. */
      readonly digest: Digest;
      readonly platform: Platform;
      /** Compressed bytes of all distinct layers. */
      readonly total: number;
    }
  | {
      readonly type: 'blob';
      readonly digest: Digest;
      /** Bytes that are here. */
      readonly bytes: number;
      readonly total: number;
      /** Bytes a second since this blob began to arrive; 0 for one that was there or waits. */
      readonly rate: number;
      /** `exists`: it was in the store already. */
      readonly state: 'waiting' | 'downloading' | 'exists' | 'done';
    }
  | {
      /** A tier failed, or a tier or mirror sent wrong bytes. The blob is had from the next place. */
      readonly type: 'fault';
      readonly digest: Digest;
      readonly place: 'tier' | 'mirror';
      readonly error: unknown;
    };
