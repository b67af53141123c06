/** The vsock port in the guest on which the agent accepts control connections. */
export const CONTROL_PORT = 1024;

/** The longest frame in bytes: tag and payload, without the four bytes of the length prefix. */
export const MAX_FRAME_LENGTH = 16 * 1024 * 1024;
