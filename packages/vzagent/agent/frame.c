#include "frame.h"

enum frame_state frame_peek(const struct bytes *bytes, size_t *length) {
  if (bytes_length(bytes) < FRAME_HEADER) return FRAME_PARTIAL;
  const uint8_t *head = bytes_head(bytes);
  uint32_t said = head[0] | (uint32_t)head[1] << 8 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 24;
  if (said == 0) return FRAME_EMPTY;
  if (said > FRAME_LARGEST) return FRAME_TOO_LARGE;
  if (bytes_length(bytes) - FRAME_HEADER < said) return FRAME_PARTIAL;
  *length = said;
  return FRAME_COMPLETE;
}

bool frame_begin(struct bytes *out) { return bytes_append(out, (uint8_t[FRAME_HEADER]){0}, FRAME_HEADER); }

void frame_end(struct bytes *out, size_t length_before, size_t more) {
  uint8_t *head = out->data + out->start + length_before;
  uint32_t length = (uint32_t)(bytes_length(out) - length_before - FRAME_HEADER + more);
  for (int i = 0; i < FRAME_HEADER; i++) head[i] = (uint8_t)(length >> (8 * i));
}
