// The switch.
#ifndef VZAGENT_POWER_H
#define VZAGENT_POWER_H

#include <stdnoreturn.h>

// Writes what file systems still hold in memory, and ends the machine.
noreturn void power_off(void);

#endif
