/*
 * Reads documents, each after its length in four bytes (little endian), and answers each in the same form:
 * 'A' and the document as the host's reader understood it, or 'R' and why it was refused. Every document is also given
 * to the reader of configurations.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "json.h"
#include "text.h"

static void add_value(struct text *text, const struct json_value *value) {
  const struct json_value *child;
  switch (value->type) {
    case JSON_NULL:
      text_add(text, "null");
      return;
    case JSON_FALSE:
      text_add(text, "false");
      return;
    case JSON_TRUE:
      text_add(text, "true");
      return;
    case JSON_INTEGER:
      text_add_integer(text, value->integer);
      return;
    case JSON_NUMBER:
      text_add(text, value->string);
      return;
    case JSON_STRING:
      text_add_json(text, value->string);
      return;
    case JSON_ARRAY:
    case JSON_OBJECT:
      text_add(text, value->type == JSON_ARRAY ? "[" : "{");
      for (child = value->first; child != NULL; child = child->next) {
        if (child != value->first) text_add(text, ",");
        if (value->type == JSON_OBJECT) {
          text_add_json(text, child->key);
          text_add(text, ":");
        }
        add_value(text, child);
      }
      text_add(text, value->type == JSON_ARRAY ? "]" : "}");
  }
}

static void answer(char kind, const char *bytes, size_t length) {
  unsigned char header[5];
  for (int i = 0; i < 4; i++) header[i] = (unsigned char)((length + 1) >> (8 * i));
  header[4] = (unsigned char)kind;
  fwrite(header, 1, sizeof header, stdout);
  fwrite(bytes, 1, length, stdout);
}

static void try_config(const char *bytes, size_t length) {
  static struct config config;
  struct failure failure = {0};
  if (!config_parse(bytes, length, &config, &failure) && failure.message[0] == '\0') abort();
  config_free(&config);
}

int main(void) {
  static char output[4 * 1024 * 1024];
  unsigned char header[4];
  while (fread(header, 1, sizeof header, stdin) == sizeof header) {
    size_t length = header[0] | (size_t)header[1] << 8 | (size_t)header[2] << 16 | (size_t)header[3] << 24;
    /* Exactly as long as the document, so that the sanitizer sees one byte too many. */
    char *bytes = malloc(length == 0 ? 1 : length);
    if (bytes == NULL || fread(bytes, 1, length, stdin) != length) return 1;
    struct json_document document;
    const struct json_value *value = json_read(&document, bytes, length);
    struct text text = {.bytes = output, .capacity = sizeof output};
    if (value != NULL) add_value(&text, value);
    if (value == NULL) text_add(&text, document.error);
    if (text.overflow) return 1;
    answer(value == NULL ? 'R' : 'A', output, text.length);
    json_free(&document);
    try_config(bytes, length);
    free(bytes);
  }
  return fflush(stdout) == 0 ? 0 : 1;
}
