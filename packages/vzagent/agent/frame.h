// The frame around a message: a little-endian u32 that counts the bytes behind it.
#ifndef VZAGENT_FRAME_H
#define VZAGENT_FRAME_H

#include "bytes.h"

enum { FRAME_HEADER = 4, FRAME_LARGEST = 16 * 1024 * 1024 };

enum frame_state { FRAME_COMPLETE, FRAME_PARTIAL, FRAME_EMPTY, FRAME_TOO_LARGE };

// Looks at the first frame in `bytes`. `length` is its body's length when it is complete.
enum frame_state frame_peek(const struct bytes *bytes, size_t *length);

// Reserves the length field; `frame_end` fills it in, given how many bytes were in `out` before, and how many of the
// frame follow elsewhere.
bool frame_begin(struct bytes *out);
void frame_end(struct bytes *out, size_t length_before, size_t more);

#endif
