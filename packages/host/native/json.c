#include "json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "limits.h"
#include "utf8.h"

struct reader {
  struct json_document *document;
  const char *at;
  const char *end;
  const char *begin;
  size_t values_used;
  size_t text_used;
};

static bool refuse(struct reader *reader, const char *why) {
  reader->document->error = why;
  reader->document->error_at = (size_t)(reader->at - reader->begin);
  return false;
}

static void skip_space(struct reader *reader) {
  while (reader->at < reader->end &&
         (*reader->at == ' ' || *reader->at == '\t' || *reader->at == '\n' || *reader->at == '\r')) {
    reader->at++;
  }
}

static bool take(struct reader *reader, char wanted) {
  if (reader->at == reader->end || *reader->at != wanted) return false;
  reader->at++;
  return true;
}

static bool take_word(struct reader *reader, const char *word) {
  size_t length = strlen(word);
  if ((size_t)(reader->end - reader->at) < length || memcmp(reader->at, word, length) != 0) {
    return refuse(reader, "unknown word");
  }
  reader->at += length;
  return true;
}

static void put(struct reader *reader, char byte) { reader->document->text[reader->text_used++] = byte; }

static void put_code_point(struct reader *reader, uint32_t point) {
  if (point < 0x80) {
    put(reader, (char)point);
    return;
  }
  if (point < 0x800) {
    put(reader, (char)(0xc0 | (point >> 6)));
  } else {
    if (point < 0x10000) {
      put(reader, (char)(0xe0 | (point >> 12)));
    } else {
      put(reader, (char)(0xf0 | (point >> 18)));
      put(reader, (char)(0x80 | ((point >> 12) & 0x3f)));
    }
    put(reader, (char)(0x80 | ((point >> 6) & 0x3f)));
  }
  put(reader, (char)(0x80 | (point & 0x3f)));
}

static bool take_hex4(struct reader *reader, uint32_t *unit) {
  *unit = 0;
  for (int i = 0; i < 4; i++, reader->at++) {
    if (reader->at == reader->end) return refuse(reader, "incomplete escape");
    char digit = *reader->at;
    uint32_t value;
    if (digit >= '0' && digit <= '9') {
      value = (uint32_t)(digit - '0');
    } else if (digit >= 'a' && digit <= 'f') {
      value = (uint32_t)(digit - 'a') + 10;
    } else if (digit >= 'A' && digit <= 'F') {
      value = (uint32_t)(digit - 'A') + 10;
    } else {
      return refuse(reader, "bad hexadecimal digit");
    }
    *unit = (*unit << 4) | value;
  }
  return true;
}

static bool take_unicode_escape(struct reader *reader) {
  uint32_t point;
  if (!take_hex4(reader, &point)) return false;
  if (point == 0) return refuse(reader, "U+0000 in a string");
  if (point >= 0xdc00 && point <= 0xdfff) return refuse(reader, "unpaired surrogate");
  if (point >= 0xd800 && point <= 0xdbff) {
    uint32_t low;
    if (!take(reader, '\\') || !take(reader, 'u')) return refuse(reader, "unpaired surrogate");
    if (!take_hex4(reader, &low)) return false;
    if (low < 0xdc00 || low > 0xdfff) return refuse(reader, "unpaired surrogate");
    point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
  }
  put_code_point(reader, point);
  return true;
}

static bool take_escape(struct reader *reader) {
  if (reader->at == reader->end) return refuse(reader, "incomplete escape");
  char escape = *reader->at++;
  switch (escape) {
    case '"':
    case '\\':
    case '/':
      put(reader, escape);
      return true;
    case 'b':
      put(reader, '\b');
      return true;
    case 'f':
      put(reader, '\f');
      return true;
    case 'n':
      put(reader, '\n');
      return true;
    case 'r':
      put(reader, '\r');
      return true;
    case 't':
      put(reader, '\t');
      return true;
    case 'u':
      return take_unicode_escape(reader);
    default:
      return refuse(reader, "unknown escape");
  }
}

/* The decoded text is never longer than its source, quotes included, so `text` (as long as the input) has room. */
static bool take_string(struct reader *reader, const char **string) {
  if (!take(reader, '"')) return refuse(reader, "a string was expected");
  *string = reader->document->text + reader->text_used;
  while (reader->at < reader->end) {
    if (*reader->at == '"') {
      reader->at++;
      put(reader, '\0');
      return true;
    }
    if (*reader->at == '\\') {
      reader->at++;
      if (!take_escape(reader)) return false;
      continue;
    }
    if ((unsigned char)*reader->at < 0x20) return refuse(reader, "control character in a string");
    size_t sequence = utf8_sequence(reader->at, (size_t)(reader->end - reader->at));
    if (sequence == 0) return refuse(reader, "invalid UTF-8");
    for (; sequence > 0; sequence--) put(reader, *reader->at++);
  }
  return refuse(reader, "unterminated string");
}

static size_t take_digits(struct reader *reader) {
  const char *start = reader->at;
  while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9') reader->at++;
  return (size_t)(reader->at - start);
}

static bool take_number(struct reader *reader, struct json_value *value) {
  const char *start = reader->at;
  bool whole = true;
  take(reader, '-');
  if (!take(reader, '0') && take_digits(reader) == 0) return refuse(reader, "a value was expected");
  if (take(reader, '.')) {
    whole = false;
    if (take_digits(reader) == 0) return refuse(reader, "incomplete number");
  }
  if (take(reader, 'e') || take(reader, 'E')) {
    whole = false;
    if (!take(reader, '+')) take(reader, '-');
    if (take_digits(reader) == 0) return refuse(reader, "incomplete number");
  }
  value->string = reader->document->text + reader->text_used;
  for (const char *from = start; from < reader->at; from++) put(reader, *from);
  put(reader, '\0');
  value->type = JSON_NUMBER;
  if (whole) {
    errno = 0;
    long long integer = strtoll(value->string, NULL, 10);
    if (errno == 0) {
      value->type = JSON_INTEGER;
      value->integer = integer;
    }
  }
  return true;
}

static bool take_value(struct reader *reader, struct json_value **out, int depth);

static bool take_member_key(struct reader *reader, const struct json_value *object, const char **key) {
  skip_space(reader);
  if (!take_string(reader, key)) return false;
  int count = 0;
  for (const struct json_value *member = object->first; member != NULL; member = member->next) {
    if (strcmp(member->key, *key) == 0) return refuse(reader, "duplicate key");
    if (++count == MAX_JSON_MEMBERS) return refuse(reader, "too many members");
  }
  skip_space(reader);
  if (!take(reader, ':')) return refuse(reader, "':' was expected");
  return true;
}

static bool take_children(struct reader *reader, struct json_value *parent, char close, int depth) {
  if (depth >= MAX_JSON_DEPTH) return refuse(reader, "nested too deeply");
  struct json_value *last = NULL;
  skip_space(reader);
  if (take(reader, close)) return true;
  for (;;) {
    const char *key = NULL;
    if (parent->type == JSON_OBJECT && !take_member_key(reader, parent, &key)) return false;
    struct json_value *child;
    if (!take_value(reader, &child, depth + 1)) return false;
    child->key = key;
    if (last == NULL) {
      parent->first = child;
    } else {
      last->next = child;
    }
    last = child;
    skip_space(reader);
    if (take(reader, close)) return true;
    if (!take(reader, ',')) return refuse(reader, "',' or the end of the list was expected");
  }
}

static bool take_value(struct reader *reader, struct json_value **out, int depth) {
  skip_space(reader);
  if (reader->at == reader->end) return refuse(reader, "a value was expected");
  struct json_value *value = &reader->document->values[reader->values_used++];
  *value = (struct json_value){.type = JSON_NULL};
  *out = value;
  switch (*reader->at) {
    case '{':
      reader->at++;
      value->type = JSON_OBJECT;
      return take_children(reader, value, '}', depth);
    case '[':
      reader->at++;
      value->type = JSON_ARRAY;
      return take_children(reader, value, ']', depth);
    case '"':
      value->type = JSON_STRING;
      return take_string(reader, &value->string);
    case 't':
      value->type = JSON_TRUE;
      return take_word(reader, "true");
    case 'f':
      value->type = JSON_FALSE;
      return take_word(reader, "false");
    case 'n':
      return take_word(reader, "null");
    default:
      return take_number(reader, value);
  }
}

const struct json_value *json_read(struct json_document *document, const char *bytes, size_t length) {
  *document = (struct json_document){0};
  if (length > MAX_CONFIG_BYTES) {
    document->error = "too long";
    return NULL;
  }
  /* A value takes a byte and its separator or closing bracket another, so n bytes hold at most (n + 1) / 2 values,
   * beside brackets that are never closed and a last value that fails. A string's terminating zero takes the place of
   * its quotes, a number's the place of its separator. */
  document->values = malloc((length / 2 + MAX_JSON_DEPTH + 4) * sizeof *document->values);
  document->text = malloc(length + 2);
  if (document->values == NULL || document->text == NULL) {
    document->error = "out of memory";
    return NULL;
  }
  struct reader reader = {.document = document, .at = bytes, .begin = bytes, .end = bytes + length};
  struct json_value *value;
  if (!take_value(&reader, &value, 0)) return NULL;
  skip_space(&reader);
  if (reader.at != reader.end) {
    refuse(&reader, "something follows the value");
    return NULL;
  }
  return value;
}

void json_free(struct json_document *document) {
  free(document->values);
  free(document->text);
  document->values = NULL;
  document->text = NULL;
}
