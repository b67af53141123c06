#include "expression.h"

#include <stdlib.h>
#include <string.h>

#include "failure.h"

enum { MAX_DEPTH = 32 };

struct reader {
  const char *at;
  int line;
};

static struct expression *read_one(struct reader *reader, int depth);

static void skip_blanks(struct reader *reader) {
  for (;; reader->at++) {
    if (*reader->at == ';') reader->at += strcspn(reader->at, "\n");
    if (*reader->at == '\n') reader->line++;
    if (*reader->at == '\0' || strchr(" \t\r\n\f\v", *reader->at) == NULL) return;
  }
}

static struct expression *make(enum kind kind, int line) {
  struct expression *made = allocate(sizeof *made);
  made->kind = kind;
  made->line = line;
  return made;
}

static char unescape(char character) {
  switch (character) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return character;
  }
}

/* From behind the opening quote to behind the closing one. */
static struct expression *read_quoted(struct reader *reader, enum kind kind) {
  struct expression *made = make(kind, reader->line);
  size_t length = 0;
  made->text = allocate(strlen(reader->at) + 1);
  while (*reader->at != '"') {
    char character = *reader->at++;
    if (character == '\\' && kind == STRING && *reader->at != '\0') character = unescape(*reader->at++);
    if (character == '\0') fail(WRONG_PROFILE, "line %d: a string is not closed", made->line);
    if (character == '\n') reader->line++;
    made->text[length++] = character;
  }
  reader->at++;
  return made;
}

static struct expression *read_list(struct reader *reader, int depth) {
  struct expression *list = make(LIST, reader->line);
  struct expression **last = &list->first;
  if (depth == MAX_DEPTH) fail(WRONG_PROFILE, "line %d: too many lists in each other", list->line);
  for (skip_blanks(reader); *reader->at != ')'; skip_blanks(reader)) {
    if (*reader->at == '\0') fail(WRONG_PROFILE, "line %d: a list is not closed", list->line);
    *last = read_one(reader, depth + 1);
    last = &(*last)->next;
  }
  reader->at++;
  return list;
}

static struct expression *read_symbol(struct reader *reader) {
  struct expression *made = make(SYMBOL, reader->line);
  size_t length = strcspn(reader->at, " \t\r\n\f\v()\";");
  if (length == 0) fail(WRONG_PROFILE, "line %d: %c is not expected here", reader->line, *reader->at);
  made->text = allocate(length + 1);
  memcpy(made->text, reader->at, length);
  reader->at += length;
  return made;
}

static struct expression *read_one(struct reader *reader, int depth) {
  if (*reader->at == '(') {
    reader->at++;
    return read_list(reader, depth);
  }
  if (*reader->at == '"') {
    reader->at++;
    return read_quoted(reader, STRING);
  }
  if (strncmp(reader->at, "#\"", 2) == 0) {
    reader->at += 2;
    return read_quoted(reader, REGEX);
  }
  return read_symbol(reader);
}

struct expression *read_expressions(const char *text) {
  struct reader reader = {.at = text, .line = 1};
  struct expression *first = NULL;
  struct expression **last = &first;
  for (skip_blanks(&reader); *reader.at != '\0'; skip_blanks(&reader)) {
    *last = read_one(&reader, 0);
    last = &(*last)->next;
  }
  return first;
}

bool is_symbol(const struct expression *expression, const char *name) {
  return expression != NULL && expression->kind == SYMBOL && strcmp(expression->text, name) == 0;
}

bool is_call(const struct expression *expression, const char *name) {
  return expression != NULL && expression->kind == LIST && is_symbol(expression->first, name);
}
