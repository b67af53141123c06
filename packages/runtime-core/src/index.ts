export { type ErrorCode, ZlayerError, type ZlayerErrorOptions } from './errors.ts';
