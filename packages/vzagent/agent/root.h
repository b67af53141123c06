// The container's root file system, mounted at CONTAINER_ROOT.
#ifndef VZAGENT_ROOT_H
#define VZAGENT_ROOT_H

#include "container.h"

// Mounts the lower and, above it, an overlay with the upper, in the calling process's mount namespace.
const struct fault *root_assemble(const struct container_root *root);

// At boot: the share `tag` below an overlay in memory, for containers that bring no root of their own.
const struct fault *root_boot(const char *tag);

// Whether that was done.
bool root_is_booted(void);

// A virtio-fs share, detached.
const struct fault *share_mount(const char *tag, int *tree);

#endif
