// Why something did not work, in words for the host. A function that can fail returns null when it worked.
#ifndef VZAGENT_FAULT_H
#define VZAGENT_FAULT_H

#include "message.h"

struct fault {
  enum failure_kind kind;
  char text[1024];
};

// There is one fault at a time: the result is good until the next call.
__attribute__((format(printf, 2, 3))) const struct fault *fault(enum failure_kind kind, const char *format, ...);

// The failure that errno stands for: its kind, and its text behind the one given.
__attribute__((format(printf, 1, 2))) const struct fault *fault_errno(const char *format, ...);

// The same kind; the text is put before the reason that `current` gives.
__attribute__((format(printf, 2, 3)))
const struct fault *fault_before(const struct fault *current, const char *format, ...);

// The kind that an errno stands for.
enum failure_kind failure_kind_of(int error);

#endif
