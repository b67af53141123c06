export { decodeFrame, encodeFrame } from './frame.ts';
export { FrameDecoder, type FrameDecoderOptions, type UnknownTags } from './frame-decoder.ts';
export { CONTROL_PORT, MAX_FRAME_LENGTH } from './limits.ts';
export { type Message, type MessageOf, type MessageType, TAGS, type UnknownMessage } from './message.ts';
export { ProtocolError, type ProtocolErrorCode } from './protocol-error.ts';
