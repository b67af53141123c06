// An empty volume takes over what the image has at its place, as in Docker.
#ifndef VZAGENT_SEED_H
#define VZAGENT_SEED_H

#include "fault.h"

// Copies the folder `image` with owners, modes, times and extended attributes into the root of `volume`, if that is
// empty. `target` names the place for a fault.
const struct fault *seed_volume(int image, int volume, const char *target);

#endif
