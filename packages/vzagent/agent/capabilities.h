// What root may do inside a container.
#ifndef VZAGENT_CAPABILITIES_H
#define VZAGENT_CAPABILITIES_H

#include <stdbool.h>

// Reduces the calling process, for good, to the capabilities of a container. Errno says why it failed.
bool capabilities_reduce(void);

#endif
