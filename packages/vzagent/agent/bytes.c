#include "bytes.h"

#include <stdlib.h>
#include <string.h>

enum { SMALLEST = 256, KEPT_WHEN_EMPTY = 256 * 1024 };

bool bytes_reserve(struct bytes *bytes, size_t more) {
  if (bytes->capacity - bytes->end >= more) return true;
  size_t length = bytes_length(bytes);
  if (bytes->start > 0 && bytes->capacity - length >= more) {
    memmove(bytes->data, bytes->data + bytes->start, length);
    bytes->start = 0;
    bytes->end = length;
    return true;
  }
  if (more > SIZE_MAX / 2 - length) return false;
  size_t capacity = bytes->capacity < SMALLEST ? SMALLEST : bytes->capacity;
  while (capacity < length + more) capacity *= 2;
  uint8_t *data = malloc(capacity);
  if (data == NULL) return false;
  if (length > 0) memcpy(data, bytes->data + bytes->start, length);
  free(bytes->data);
  *bytes = (struct bytes){.data = data, .start = 0, .end = length, .capacity = capacity};
  return true;
}

bool bytes_append(struct bytes *bytes, const void *data, size_t length) {
  if (!bytes_reserve(bytes, length)) return false;
  if (length > 0) memcpy(bytes->data + bytes->end, data, length);
  bytes->end += length;
  return true;
}

void bytes_consume(struct bytes *bytes, size_t length) {
  bytes->start += length;
  if (bytes->start < bytes->end) return;
  if (bytes->capacity > KEPT_WHEN_EMPTY) {
    bytes_free(bytes);
    return;
  }
  bytes->start = bytes->end = 0;
}

void bytes_free(struct bytes *bytes) {
  free(bytes->data);
  *bytes = (struct bytes){0};
}
