// Texts made and read. The C library's own means bring files, wide characters and, on arm64, floating-point numbers of
// 128 bits along: a fifth of the agent.
#ifndef VZAGENT_TEXT_H
#define VZAGENT_TEXT_H

#include "postcard.h"

#include <stdarg.h>

// Like snprintf: at most `room` bytes are written, with the 0 at their end, and the length of the whole text is
// returned. Of conversions there are %s, %d, %u, %x, %o, %m and %%; numbers of the sizes l, ll and z; %.8s and %.*s;
// and for numbers that are not negative a width with zeros (%02x).
__attribute__((format(printf, 3, 4))) int text_format(char *text, size_t room, const char *format, ...);
__attribute__((format(printf, 3, 0)))
int text_format_list(char *text, size_t room, const char *format, va_list values);

// The number that the text begins with, after spaces and tabs; 0 when it begins with none, and the largest for a larger
// one. `end`, which may be null, is set behind the last digit, or to `text` when there is no digit.
uint64_t text_number(const char *text, unsigned base, const char **end);

// What stands behind the first `key` in the text; null when it is not there. The text may be null.
const char *text_after(const char *text, const char *key);

// Without the 0 at its end.
struct slice text_slice(const char *text);

#endif
