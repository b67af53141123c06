#include "frame.h"
#include "message.h"

#include <string.h>

// The protocol's first messages count from 0 in the payload; the extensions repeat their tag.
enum { FIRST_EXTENSION_TAG = 32 };

static uint32_t discriminant_of(uint8_t tag) { return tag < FIRST_EXTENSION_TAG ? tag - 1u : tag; }

const char *message_name(uint8_t tag) {
  return tag < message_kind_count && message_kinds[tag].name[0] != '\0' ? message_kinds[tag].name : NULL;
}

bool message_is_for_guest(uint8_t tag) {
  return tag < message_kind_count && (message_kinds[tag].direction & FOR_GUEST) != 0;
}

const char *message_decode(const uint8_t *body, size_t length, struct message *message) {
  struct reader in = {.at = body, .end = body + length};
  memset(message, 0, sizeof *message);
  if (!read_u8(&in, &message->tag)) return "empty frame";
  if (message_name(message->tag) == NULL) return "unknown tag";
  uint64_t discriminant;
  if (!read_varint(&in, 32, &discriminant)) return "the payload ends early or has a field out of range";
  if (discriminant != discriminant_of(message->tag)) return "the payload's discriminant disagrees with the tag";
  if (!shape_read(&in, message_kinds[message->tag].shape, &message->data)) {
    return "the payload ends early or has a field out of range";
  }
  return in.at == in.end ? NULL : "bytes are left over behind the payload";
}

static bool encode(struct bytes *out, const struct message *message) {
  size_t before = bytes_length(out);
  if (message_name(message->tag) != NULL && frame_begin(out) && write_u8(out, message->tag) &&
      write_varint(out, discriminant_of(message->tag)) &&
      shape_write(out, message_kinds[message->tag].shape, &message->data) &&
      bytes_length(out) - before <= FRAME_HEADER + FRAME_LARGEST) {
    return true;
  }
  out->end = out->start + before;
  return false;
}

bool message_encode(struct bytes *out, const struct message *message) {
  size_t before = bytes_length(out);
  if (!encode(out, message)) return false;
  frame_end(out, before, 0);
  return true;
}

bool message_encode_head(struct bytes *out, const struct message *message, size_t data_length) {
  size_t before = bytes_length(out);
  if (!encode(out, message)) return false;
  out->end--;  // that there are no bytes
  if (!write_varint(out, data_length)) return false;
  frame_end(out, before, data_length);
  return true;
}
