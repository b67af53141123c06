// The postcard encoding, as far as the protocol needs it. Reading never copies: what it returns points into the input.
#ifndef VZAGENT_POSTCARD_H
#define VZAGENT_POSTCARD_H

#include "bytes.h"

struct reader {
  const uint8_t *at;
  const uint8_t *end;
};

// A byte string inside a message; not terminated, and a string may contain NUL.
struct slice {
  const uint8_t *data;
  size_t length;
};

// Each returns false when the input is too short or out of range; the reader's position is then meaningless.
bool read_u8(struct reader *in, uint8_t *value);
bool read_bool(struct reader *in, bool *value);
bool read_varint(struct reader *in, unsigned bits, uint64_t *value);  // bits: 16, 32 or 64
bool read_zigzag(struct reader *in, unsigned bits, int64_t *value);   // bits: 32 or 64
bool read_slice(struct reader *in, struct slice *value);
bool read_string(struct reader *in, struct slice *value);  // a slice that is valid UTF-8

// Each returns false when memory is short.
bool write_u8(struct bytes *out, uint8_t value);
bool write_varint(struct bytes *out, uint64_t value);
bool write_zigzag(struct bytes *out, int64_t value);
bool write_slice(struct bytes *out, struct slice value);
bool write_string(struct bytes *out, struct slice value);  // bytes that are not UTF-8 become question marks

#endif
