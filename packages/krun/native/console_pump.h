#ifndef KRUN_CONSOLE_PUMP_H
#define KRUN_CONSOLE_PUMP_H

#include <stddef.h>

#include "failure.h"

/*
 * Hands on what the machine writes to its console to a connected socket, from which somebody keeps as much as may be kept.
 * libkrun wants a file that it opens by name: `path` is that of a pipe.
 */
bool console_pump_start(int socket, char *path, size_t capacity, struct failure *failure);

#endif
