#include "text.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

enum { MOST_DIGITS = 24 };  // 64 bits are 22 in octal

// `length` is what the text would have with room for all of it.
struct writer {
  char *text;
  size_t room;
  size_t length;
  va_list values;
};

static void put(struct writer *out, const char *text, size_t length) {
  if (out->length < out->room) {
    size_t left = out->room - out->length;
    memcpy(out->text + out->length, text, length < left ? length : left);
  }
  out->length += length;
}

static void put_number(struct writer *out, uint64_t number, unsigned base, size_t width) {
  char digits[MOST_DIGITS];
  size_t first = sizeof digits;
  do {
    digits[--first] = "0123456789abcdef"[number % base];
    number /= base;
  } while (first > 0 && (number > 0 || sizeof digits - first < width));
  put(out, digits + first, sizeof digits - first);
}

static void put_signed(struct writer *out, int64_t number, size_t width) {
  if (number < 0) put(out, "-", 1);
  put_number(out, number < 0 ? -(uint64_t)number : (uint64_t)number, 10, width);
}

static void put_text(struct writer *out, const char *text, size_t longest) {
  if (text == NULL) text = "(null)";
  put(out, text, strnlen(text, longest));
}

// Writes the value for the conversion that begins behind its %. Returns what follows it.
static const char *put_value(struct writer *out, const char *at) {
  size_t width = (size_t)text_number(at, 10, &at), longest = SIZE_MAX;
  if (*at == '.' && at[1] == '*') {
    longest = (size_t)va_arg(out->values, int);
    at += 2;
  } else if (*at == '.') {
    longest = (size_t)text_number(at + 1, 10, &at);
  }
  // On both architectures l, ll and z are the same.
  bool is_long = *at == 'l' || *at == 'z';
  while (*at == 'l' || *at == 'z') at++;
  unsigned base = *at == 'x' ? 16 : *at == 'o' ? 8 : 10;
  switch (*at) {
    case 's': put_text(out, va_arg(out->values, const char *), longest); break;
    case 'm': put_text(out, strerror(errno), longest); break;
    case 'd': put_signed(out, is_long ? va_arg(out->values, int64_t) : va_arg(out->values, int), width); break;
    case 'u':
    case 'x':
    case 'o':
      put_number(out, is_long ? va_arg(out->values, uint64_t) : va_arg(out->values, unsigned), base, width);
      break;
    default: put(out, at, 1);
  }
  return at + 1;
}

int text_format_list(char *text, size_t room, const char *format, va_list values) {
  struct writer out = {.text = text, .room = room};
  va_copy(out.values, values);
  for (;;) {
    size_t plain = strcspn(format, "%");
    put(&out, format, plain);
    if (format[plain] == '\0') break;
    format = put_value(&out, format + plain + 1);
  }
  va_end(out.values);
  if (room > 0) text[out.length < room ? out.length : room - 1] = '\0';
  return (int)out.length;
}

int text_format(char *text, size_t room, const char *format, ...) {
  va_list values;
  va_start(values, format);
  int length = text_format_list(text, room, format, values);
  va_end(values);
  return length;
}

static unsigned digit(char character) {
  if (character >= '0' && character <= '9') return (unsigned)(character - '0');
  char letter = character | 0x20;
  return letter >= 'a' && letter <= 'f' ? (unsigned)(letter - 'a') + 10 : UINT8_MAX;
}

uint64_t text_number(const char *text, unsigned base, const char **end) {
  const char *first = text + strspn(text, " \t"), *at = first;
  uint64_t number = 0;
  bool is_larger = false;
  for (; digit(*at) < base; at++) {
    is_larger |= __builtin_mul_overflow(number, base, &number);
    is_larger |= __builtin_add_overflow(number, digit(*at), &number);
  }
  if (end != NULL) *end = at == first ? text : at;
  return is_larger ? UINT64_MAX : number;
}

const char *text_after(const char *text, const char *key) {
  size_t length = strlen(key);
  for (; text != NULL && *text != '\0'; text++) {
    if (strncmp(text, key, length) == 0) return text + length;
  }
  return NULL;
}

struct slice text_slice(const char *text) {
  return (struct slice){.data = (const uint8_t *)text, .length = strlen(text)};
}
