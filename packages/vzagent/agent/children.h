// The end of the agent's children.
#ifndef VZAGENT_CHILDREN_H
#define VZAGENT_CHILDREN_H

#include <stdbool.h>

// Blocks every signal and takes SIGCHLD through the event loop: nothing interrupts the agent, nothing ends it.
bool children_watch(void);

#endif
