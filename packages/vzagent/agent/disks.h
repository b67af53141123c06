// The guest's block devices.
#ifndef VZAGENT_DISKS_H
#define VZAGENT_DISKS_H

#include "fault.h"

#include <stdbool.h>
#include <stdint.h>

struct disk {
  char path[64];  // in the agent's /dev
  uint64_t bytes;
  bool readonly;
};

// Finds the disk with a serial number, or the one that `/dev/NAME` names.
const struct fault *disk_find(const char *source, struct disk *disk);

// Mounts an EROFS image, detached.
const struct fault *disk_mount_erofs(const char *source, int *tree);

// Mounts an ext4 file system, detached, grown to its device's size, with blocks given back when files are deleted.
const struct fault *disk_mount_ext4(const char *source, int *tree);

#endif
