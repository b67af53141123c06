// Making processes of the container.
#ifndef VZAGENT_OFFSPRING_H
#define VZAGENT_OFFSPRING_H

#include <sys/types.h>

// A copy of the agent as PID 1 of new PID, mount, IPC and UTS namespaces, or inside the PID namespace of `init`, a
// pidfd. Either is made in the cgroup `leaf`. Returns like fork, with errno.
pid_t offspring_init(const char *leaf);
pid_t offspring_within(const char *leaf, int init);

#endif
