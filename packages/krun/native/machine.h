#ifndef KRUN_MACHINE_H
#define KRUN_MACHINE_H

#include "configuration.h"
#include "library.h"

/*
 * Makes a machine and becomes it: libkrun takes the process over, and leaves it with exit(). Returns only to say in
 * `failure` why there is no machine.
 */
void machine_become(const struct krun_api *api, const struct configuration *configuration, struct failure *failure);

#endif
