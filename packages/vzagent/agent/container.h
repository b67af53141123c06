// The container as its processes see it: root, devices, kernel file systems. Set up from inside its new namespaces.
#ifndef VZAGENT_CONTAINER_H
#define VZAGENT_CONTAINER_H

#include "share.h"

#include <stddef.h>

// Makes the container's root the calling process's root and mounts what the OCI runtime specification asks for in it.
// What fails ends the process by `start_fail` on `report`.
void container_enter(const struct share *shares, size_t count, int report);

#endif
