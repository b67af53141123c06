#include "text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "utf8.h"

static void add_bytes(struct text *text, const char *bytes, size_t length) {
  if (text->overflow || text->capacity - text->length < length) {
    text->overflow = true;
    return;
  }
  memcpy(text->bytes + text->length, bytes, length);
  text->length += length;
}

void text_add(struct text *text, const char *string) { add_bytes(text, string, strlen(string)); }

void text_add_integer(struct text *text, int64_t integer) {
  char digits[24];
  snprintf(digits, sizeof digits, "%" PRId64, integer);
  text_add(text, digits);
}

static void add_escaped(struct text *text, unsigned char byte) {
  char escape[8];
  if (byte == '"' || byte == '\\') {
    snprintf(escape, sizeof escape, "\\%c", byte);
  } else if (byte == '\n') {
    snprintf(escape, sizeof escape, "\\n");
  } else {
    snprintf(escape, sizeof escape, "\\u%04x", byte);
  }
  text_add(text, escape);
}

void text_add_json(struct text *text, const char *string) {
  if (string == NULL) {
    text_add(text, "null");
    return;
  }
  text_add(text, "\"");
  size_t left = strlen(string);
  while (left > 0) {
    size_t sequence = utf8_sequence(string, left);
    if (sequence == 0) {
      text_add(text, "\\ufffd");
      sequence = 1;
    } else if ((unsigned char)*string < 0x20 || *string == '"' || *string == '\\' || *string == 0x7f) {
      add_escaped(text, (unsigned char)*string);
    } else {
      add_bytes(text, string, sequence);
    }
    string += sequence;
    left -= sequence;
  }
  text_add(text, "\"");
}
