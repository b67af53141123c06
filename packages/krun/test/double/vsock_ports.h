#ifndef KRUN_DOUBLE_VSOCK_PORTS_H
#define KRUN_DOUBLE_VSOCK_PORTS_H

#include "emulator.h"

/* Ties the machine's ports to their sockets; the device takes calls at `calls`, and makes those of the guest beside it. */
bool vsock_ports_open(const struct machine *machine, const char *calls);

#endif
