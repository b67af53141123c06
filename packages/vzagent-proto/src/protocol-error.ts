/** What is wrong with a frame or a message. Codes are stable: programs may branch on them. */
export type ProtocolErrorCode =
  /** The length prefix is 0: a frame has at least a tag. */
  | 'EMPTY_FRAME'
  /** The frame is longer than `MAX_FRAME_LENGTH`. */
  | 'FRAME_TOO_LARGE'
  /** No message has this tag, or (when encoding) this `type`. */
  | 'UNKNOWN_TAG'
  /** A message that only the other side may send. */
  | 'WRONG_DIRECTION'
  /** The discriminant in the payload belongs to another tag. */
  | 'TAG_MISMATCH'
  /** The bytes end before the frame, or the frame ends before its message. */
  | 'TRUNCATED'
  /** Bytes are left over after the message, or after the frame. */
  | 'TRAILING_BYTES'
  /** A variable-length integer with more bytes than its type has. */
  | 'BAD_VARINT'
  /** A number that does not fit the type of its field, or is not an integer. */
  | 'OUT_OF_RANGE'
  /** A string that is not valid UTF-8, or (when encoding) has a lone surrogate. */
  | 'BAD_UTF8'
  /** A boolean that is neither 0 nor 1. */
  | 'BAD_BOOL'
  /** The marker of an optional field is neither 0 nor 1. */
  | 'BAD_OPTION'
  /** An index that no variant of the enum has, or (when encoding) a name that is none of them. */
  | 'BAD_VARIANT'
  /** A JavaScript value of the wrong kind: a missing field, a number where a bigint belongs, a string as bytes. */
  | 'BAD_TYPE'
  /** Bytes were pushed into a decoder that was told that the stream has ended. */
  | 'ENDED';

/** The one error that encoding and decoding throw. Its message names the field at fault but no string's content. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
  readonly code: ProtocolErrorCode;
  /** Where in the frame, in bytes from the first byte of its length prefix; `undefined` when encoding. */
  readonly offset: number | undefined;

  constructor(code: ProtocolErrorCode, message: string, offset?: number) {
    super(offset === undefined ? message : `${message} (byte ${offset} of the frame)`);
    this.code = code;
    this.offset = offset;
  }
}
