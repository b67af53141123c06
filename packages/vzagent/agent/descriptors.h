// The descriptors of a new process.
#ifndef VZAGENT_DESCRIPTORS_H
#define VZAGENT_DESCRIPTORS_H

#include <stdbool.h>
#include <stddef.h>

// Puts `wanted[n]` at n, closed by exec from 3 on, and closes everything else: nothing of the agent's reaches the
// container. Errno says why it failed; where the descriptors are is then unknown.
bool descriptors_arrange(const int *wanted, size_t count);

#endif
