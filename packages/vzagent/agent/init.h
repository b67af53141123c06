// PID 1 of a container: it starts the workload, passes signals on, reaps orphans, and ends with the workload's status.
#ifndef VZAGENT_INIT_H
#define VZAGENT_INIT_H

#include "share.h"
#include "spec.h"

#include <stddef.h>
#include <stdnoreturn.h>

struct init_task {
  const struct spec *spec;
  const struct share *shares;
  size_t share_count;
  int stdin_fd;   // what the workload gets as its descriptors 0, 1 and 2
  int stdout_fd;
  int stderr_fd;
  int report;     // the new processes' end of a start pair
};

// Runs in a child of the agent with new PID, mount, IPC and UTS namespaces.
noreturn void init_main(const struct init_task *task);

#endif
