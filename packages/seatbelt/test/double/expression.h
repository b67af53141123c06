#pragma once

#include <stdbool.h>

enum kind { LIST, STRING, REGEX, SYMBOL };

struct expression {
  enum kind kind;
  int line;
  char *text;               /* of a string, regex or symbol */
  struct expression *first; /* of a list */
  struct expression *next;
};

/* The top-level expressions of a profile; ends the process if the text is no profile. */
struct expression *read_expressions(const char *text);

bool is_symbol(const struct expression *expression, const char *name);
/* Whether it is a list that begins with this symbol. */
bool is_call(const struct expression *expression, const char *name);
