#include "failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void fail(int code, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("sandbox-exec: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(code);
}

/* Nothing is freed: the process becomes another program. */
void *allocate(unsigned long size) {
  void *memory = calloc(1, size);
  if (memory == NULL) fail(REFUSED, "out of memory");
  return memory;
}
