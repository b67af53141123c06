// From a copy of the agent to the program that was asked for.
#ifndef VZAGENT_LAUNCH_H
#define VZAGENT_LAUNCH_H

#include "spec.h"

#include <stdnoreturn.h>

// Descriptors of a process that is being started, from its first steps on.
enum { REPORT_FD = 3, INIT_FD = 4 };

struct launch {
  const struct spec *spec;
  int stdio[3];  // what the program gets as its descriptors 0, 1 and 2, if it has no terminal
  int report;    // the new processes' end of a start pair
  int init;      // pidfd of the container's init
  bool is_console;  // its terminal is the container's /dev/console
};

// Runs in a child of the agent that is in the container's PID namespace already, all signals blocked: enters its other
// namespaces and executes the program.
noreturn void launch_main(const struct launch *launch);

// The second part of it, for a process that is in the container with its descriptors in their places.
noreturn void launch_program(const struct spec *spec, bool is_console);

#endif
