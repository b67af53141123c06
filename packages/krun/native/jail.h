/* libkrun's virtio-fs does not confine a guest to the folders that it shares, so this process confines itself. */
#ifndef KRUN_JAIL_H
#define KRUN_JAIL_H

#include <stdbool.h>
#include <stddef.h>

#include "failure.h"

struct jail {
  const char *const *read_only; /* files and folders, beside what every program needs of the system */
  size_t read_only_count;
  const char *const *read_write;
  size_t read_write_count;
  bool network; /* whether TCP is allowed */
};

/* Whether this system can confine a process. */
bool jail_is_there(void);
/* From here on, neither this thread nor what it starts reaches any other file. */
bool jail_enter(const struct jail *jail, struct failure *failure);

#endif
