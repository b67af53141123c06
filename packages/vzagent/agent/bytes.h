// Bytes that grow: what arrived and is not yet a frame, what is not yet written.
#ifndef VZAGENT_BYTES_H
#define VZAGENT_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
  uint8_t *data;
  size_t start;    // first byte that is still wanted
  size_t end;      // one past the last byte
  size_t capacity;
};

static inline size_t bytes_length(const struct bytes *bytes) { return bytes->end - bytes->start; }
static inline const uint8_t *bytes_head(const struct bytes *bytes) { return bytes->data + bytes->start; }

// Makes room for `more` bytes behind the last one; false when memory is short (nothing changes then).
bool bytes_reserve(struct bytes *bytes, size_t more);

// Appends; false when memory is short (nothing changes then).
bool bytes_append(struct bytes *bytes, const void *data, size_t length);

// Drops bytes from the front. Memory that a large burst needed is given back when nothing is left.
void bytes_consume(struct bytes *bytes, size_t length);

void bytes_free(struct bytes *bytes);

#endif
