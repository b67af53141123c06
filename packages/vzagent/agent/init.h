// PID 1 of a container: it assembles the container, and then either is the workload's program or a reaping init, which
// passes signals on, and with whose end the container's processes end.
#ifndef VZAGENT_INIT_H
#define VZAGENT_INIT_H

#include "container.h"
#include "spec.h"

#include <stdnoreturn.h>

struct init_task {
  const struct container *container;
  const struct spec *program;  // what it becomes; null for a reaping init
  int stdio[3];
  int report;                  // the new processes' end of a start pair
};

// Runs in a child of the agent with new PID, mount, IPC and UTS namespaces, made in the workload's cgroup.
noreturn void init_main(const struct init_task *task);

#endif
