/*
 * A strict reader of JSON (RFC 8259) with bounds. Refused beyond the standard: duplicate keys, U+0000, unpaired
 * surrogates, invalid UTF-8, nesting deeper than MAX_JSON_DEPTH, more than MAX_JSON_MEMBERS keys in an object.
 */
#ifndef ZLAYER_HOST_JSON_H
#define ZLAYER_HOST_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum json_type {
  JSON_NULL,
  JSON_FALSE,
  JSON_TRUE,
  JSON_INTEGER, /* fits int64_t and is written without fraction and exponent */
  JSON_NUMBER,  /* any other number; `string` is its text */
  JSON_STRING,
  JSON_ARRAY,
  JSON_OBJECT,
};

struct json_value {
  enum json_type type;
  const char *key; /* of a member of an object, else NULL */
  const char *string;
  int64_t integer;
  const struct json_value *first; /* of an array's elements or an object's members */
  const struct json_value *next;  /* in the same array or object */
};

struct json_document {
  struct json_value *values;
  char *text;
  const char *error; /* why the text was refused */
  size_t error_at;   /* offset in bytes */
};

/* Reads one value out of exactly `length` bytes. Returns it, or NULL with `error` set. Call json_free in any case. */
const struct json_value *json_read(struct json_document *document, const char *bytes, size_t length);
void json_free(struct json_document *document);

#endif
