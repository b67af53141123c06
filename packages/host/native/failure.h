/* One sentence that tells what went wrong, filled by the function that noticed. */
#ifndef ZLAYER_HOST_FAILURE_H
#define ZLAYER_HOST_FAILURE_H

#include <stdbool.h>

#include "platform.h"

struct failure {
  char message[4096];
};

/* Sets the message and returns false, so that a function can end with `return fail(...)`. */
bool fail(struct failure *failure, const char *format, ...) HOST_PRINTF(2, 3);

#endif
