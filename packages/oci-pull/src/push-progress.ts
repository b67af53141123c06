import type { Digest } from './digest.ts';

/** What happens to a blob during a push, as it happens. */
export interface PushProgress {
  readonly type: 'blob';
  readonly digest: Digest;
  /** Bytes that the registry has. */
  readonly bytes: number;
  readonly total: number;
  /** Bytes a second since the upload of this blob began; 0 as long as nothing was sent. */
  readonly rate: number;
  /** `exists`: the registry had it; `mounted`: it took it from another of its repositories. */
  readonly state: 'waiting' | 'uploading' | 'exists' | 'mounted' | 'done';
}
