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

// UTF-8 as Unicode defines it: shortest form, no surrogates, nothing above U+10FFFF.
static bool is_utf8(struct slice text) {
  const uint8_t *at = text.data, *end = text.data + text.length;
  while (at < end) {
    uint8_t lead = *at++;
    if (lead < 0x80) continue;
    unsigned more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc2 || lead > 0xf4 || (size_t)(end - at) < more) return false;
    uint8_t low = 0x80, high = 0xbf;
    if (lead == 0xe0) low = 0xa0;
    if (lead == 0xed) high = 0x9f;
    if (lead == 0xf0) low = 0x90;
    if (lead == 0xf4) high = 0x8f;
    if (at[0] < low || at[0] > high) return false;
    for (unsigned i = 1; i < more; i++) {
      if ((at[i] & 0xc0) != 0x80) return false;
    }
    at += more;
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
