// Replaces the process by the workload's program.
#ifndef VZAGENT_PROGRAM_H
#define VZAGENT_PROGRAM_H

#include "spec.h"

#include <stdnoreturn.h>

// Looks argv[0] up as a shell would, without a shell's habit of running a file of unknown format as a script.
// Returns only by `start_fail` on `report`.
noreturn void program_exec(const struct spec *spec, int report);

#endif
