// What a container mounts beside its image: shares of the host, memory, disks.
#ifndef VZAGENT_VOLUMES_H
#define VZAGENT_VOLUMES_H

#include "container.h"

enum { MOST_MOUNTS = 256 };

// Makes the mounts, detached, while the agent's /dev can be seen. `trees` has room for all.
const struct fault *volumes_open(const struct container *container, int *trees);

// Attaches them in their order below the root folder `root`, makes missing targets, fills empty disks from the image,
// and closes the descriptors.
const struct fault *volumes_attach(const struct container *container, const int *trees, int root);

#endif
