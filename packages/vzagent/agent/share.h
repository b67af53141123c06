// A folder of the host that a workload asked for.
#ifndef VZAGENT_SHARE_H
#define VZAGENT_SHARE_H

#include <limits.h>
#include <stdbool.h>

struct share {
  char tag[37];  // a virtio-fs tag has at most 36 bytes
  char target[PATH_MAX];
  bool readonly;
};

#endif
