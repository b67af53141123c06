#include "utf8.h"

#include <stdint.h>

size_t utf8_sequence(const char *bytes, size_t length) {
  if (length == 0) return 0;
  const unsigned char *at = (const unsigned char *)bytes;
  if (at[0] < 0x80) return 1;

  size_t need;
  uint32_t point;
  uint32_t smallest;
  if ((at[0] & 0xe0) == 0xc0) {
    need = 2, point = at[0] & 0x1f, smallest = 0x80;
  } else if ((at[0] & 0xf0) == 0xe0) {
    need = 3, point = at[0] & 0x0f, smallest = 0x800;
  } else if ((at[0] & 0xf8) == 0xf0) {
    need = 4, point = at[0] & 0x07, smallest = 0x10000;
  } else {
    return 0;
  }
  if (length < need) return 0;
  for (size_t i = 1; i < need; i++) {
    if ((at[i] & 0xc0) != 0x80) return 0;
    point = (point << 6) | (at[i] & 0x3f);
  }
  if (point < smallest || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return 0;
  return need;
}
