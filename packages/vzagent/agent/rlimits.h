// Resource limits of a process.
#ifndef VZAGENT_RLIMITS_H
#define VZAGENT_RLIMITS_H

#include "spec.h"

// The kernel's number for a name as in RLIMIT_NOFILE, in lower case and without the prefix; -1 for an unknown one.
int rlimit_number(struct slice name);

// Sets the limits of the calling process: the defaults of a container, then what is asked for.
const struct fault *rlimits_apply(const struct spec *spec);

#endif
