import { isZlayerError } from '../errors.ts';

/** Whether an error says that a runtime cannot do something at all, which is no failure while another one can. */
export function isRefusal(error: unknown): boolean {
  return isZlayerError(error) && (error.code === 'UNSUPPORTED' || error.code === 'UNAVAILABLE');
}

export function isNotFound(error: unknown): boolean {
  return isZlayerError(error) && error.code === 'NOT_FOUND';
}
