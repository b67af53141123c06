#include "postcard.h"

bool read_u8(struct reader *in, uint8_t *value) {
  if (in->at == in->end) return false;
  *value = *in->at++;
  return true;
}

bool read_bool(struct reader *in, bool *value) {
  uint8_t byte;
  if (!read_u8(in, &byte) || byte > 1) return false;
  *value = byte == 1;
  return true;
}

bool read_varint(struct reader *in, unsigned bits, uint64_t *value) {
  uint64_t sum = 0;
  for (unsigned shift = 0; shift < bits; shift += 7) {
    uint8_t byte;
    if (!read_u8(in, &byte)) return false;
    uint64_t part = byte & 0x7f;
    // The last byte of the longest spelling may carry only the bits that still fit.
    if (shift + 7 > bits && part >> (bits - shift) != 0) return false;
    sum |= part << shift;
    if (byte < 0x80) {
      *value = sum;
      return true;
    }
  }
  return false;
}

bool read_zigzag(struct reader *in, unsigned bits, int64_t *value) {
  uint64_t raw;
  if (!read_varint(in, bits, &raw)) return false;
  uint64_t half = raw >> 1;
  *value = (raw & 1) != 0 ? -(int64_t)half - 1 : (int64_t)half;
  return true;
}

bool read_slice(struct reader *in, struct slice *value) {
  uint64_t length;
  if (!read_varint(in, 64, &length) || length > (uint64_t)(in->end - in->at)) return false;
  *value = (struct slice){.data = in->at, .length = (size_t)length};
  in->at += length;
  return true;
}

// The length of the character at the start of `text`, or 0 when it is none. UTF-8 as Unicode defines it: shortest form,
// no surrogates, nothing above U+10FFFF.
static size_t utf8_character(const uint8_t *text, const uint8_t *end) {
  uint8_t lead = text[0];
  if (lead < 0x80) return 1;
  size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || (size_t)(end - text) < length) return 0;
  uint8_t low = 0x80, high = 0xbf;
  if (lead == 0xe0) low = 0xa0;
  if (lead == 0xed) high = 0x9f;
  if (lead == 0xf0) low = 0x90;
  if (lead == 0xf4) high = 0x8f;
  if (text[1] < low || text[1] > high) return 0;
  for (size_t i = 2; i < length; i++) {
    if ((text[i] & 0xc0) != 0x80) return 0;
  }
  return length;
}

static bool is_utf8(struct slice text) {
  const uint8_t *at = text.data, *end = text.data + text.length;
  while (at < end) {
    size_t length = utf8_character(at, end);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

bool read_string(struct reader *in, struct slice *value) { return read_slice(in, value) && is_utf8(*value); }

bool write_u8(struct bytes *out, uint8_t value) { return bytes_append(out, &value, 1); }

bool write_varint(struct bytes *out, uint64_t value) {
  uint8_t spelled[10];
  size_t length = 0;
  while (value >= 0x80) {
    spelled[length++] = (uint8_t)(value | 0x80);
    value >>= 7;
  }
  spelled[length++] = (uint8_t)value;
  return bytes_append(out, spelled, length);
}

bool write_zigzag(struct bytes *out, int64_t value) {
  uint64_t doubled = (uint64_t)value << 1;
  return write_varint(out, value < 0 ? ~doubled : doubled);
}

bool write_slice(struct bytes *out, struct slice value) {
  return write_varint(out, value.length) && bytes_append(out, value.data, value.length);
}

bool write_string(struct bytes *out, struct slice value) {
  if (!write_slice(out, value)) return false;
  uint8_t *end = out->data + out->end, *at = end - value.length;
  while (at < end) {
    size_t length = utf8_character(at, end);
    if (length == 0) *at = '?';
    at += length == 0 ? 1 : length;
  }
  return true;
}
