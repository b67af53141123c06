import { type ByteString, displayName } from './byte-string.ts';
import { DecompressionError } from './decompress.ts';
import type { Digest } from './digest.ts';
import { messageOf, OciError, type OciErrorReason, systemErrorCode } from './errors.ts';
import { EntryError } from './rootfs-path.ts';
import { TarError } from './tar-header.ts';

/** The error to report for whatever went wrong in a layer, naming image, layer and entry. */
export function layerError(
  error: unknown,
  path: ByteString | undefined,
  { image, layer }: { image: string; layer: Digest },
): unknown {
  const where = `layer ${layer} of ${image}`;
  const at = path === undefined ? where : `${displayName(path)} in ${where}`;
  const failed = (reason: OciErrorReason, what: string, remedy: string) =>
    new OciError(reason, `Cannot unpack ${at}: ${what}.`, { subject: image, remedy, cause: error });
  if (error instanceof EntryError && error.reason === 'LIMIT_EXCEEDED') {
    return failed(error.reason, error.message, 'If you trust the image, raise the limits.');
  }
  if (error instanceof EntryError) {
    return failed(error.reason, error.message, 'The image is built wrong or hostile; do not use it.');
  }
  if (error instanceof TarError || error instanceof DecompressionError) {
    return failed('CORRUPT_LAYER', error.message, 'The image is built wrong; build and push it again.');
  }
  const code = systemErrorCode(error);
  if (code === 'ENAMETOOLONG') {
    return failed('UNSAFE_PATH', 'its path is too long here', 'Unpack into a directory with a shorter path.');
  }
  if (code === undefined) return error;
  return failed('UNPACK_FAILED', messageOf(error), code === 'ENOSPC' ? 'Free some space.' : 'Check the directory.');
}
