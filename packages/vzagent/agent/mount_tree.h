// Mounts as descriptors: made detached, changed, and then attached to a place that is also a descriptor. No path is
// looked up twice, so no link can be put in the way in between.
#ifndef VZAGENT_MOUNT_TREE_H
#define VZAGENT_MOUNT_TREE_H

#include "fault.h"

#include <stdbool.h>

enum mount_attribute {
  TREE_READONLY = 1,
  TREE_NOSUID = 2,
  TREE_NODEV = 4,
  TREE_NOEXEC = 8,
};

struct tree_option {
  const char *key;    // null ends a list
  const char *value;  // null for a flag
};

// Mounts a file system without a place: its descriptor is in `tree`. What the file system says about a failure is in
// the fault.
const struct fault *tree_mount(const char *type, const char *source, const struct tree_option *options,
                               unsigned attributes, int *tree);

// A second mount of what `folder` shows, or of `path` below it. -1 with errno.
int tree_clone(int folder, const char *path);

// Adds attributes to a mount. False with errno.
bool tree_restrict(int tree, unsigned attributes);

// Puts the mount at `place` (O_PATH) and closes neither. False with errno.
bool tree_attach(int tree, int place);

#endif
