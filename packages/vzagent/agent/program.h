// Executing the workload's program.
#ifndef VZAGENT_PROGRAM_H
#define VZAGENT_PROGRAM_H

#include "spec.h"

// Looks argv[0] up as a shell would, without a shell's habit of running a file of unknown format as a script.
// Returns only with the reason why it cannot be executed.
const struct fault *program_exec(const struct spec *spec);

#endif
