/* Text of bounded length, and JSON written into it. What does not fit sets `overflow` and is left out. */
#ifndef ZLAYER_HOST_TEXT_H
#define ZLAYER_HOST_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
  char *bytes;
  size_t length;
  size_t capacity;
  bool overflow;
};

void text_add(struct text *text, const char *string);
void text_add_integer(struct text *text, int64_t integer);
/* A JSON string, or null for NULL. Bytes that are not UTF-8 become U+FFFD. */
void text_add_json(struct text *text, const char *string);

#endif
