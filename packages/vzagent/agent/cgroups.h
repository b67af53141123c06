// The cgroups: one for the agent, one for the container with its limits, and below that a leaf for each process that
// the host started, with all that comes from it.
#ifndef VZAGENT_CGROUPS_H
#define VZAGENT_CGROUPS_H

#include "fault.h"

#include <stdbool.h>
#include <stdint.h>

#define CGROUPS "/sys/fs/cgroup"
#define CONTAINER_CGROUP CGROUPS "/container"

enum { LEAF_PATH = 64 };

// Makes the agent's and the container's cgroup and enters the first. Needs cgroup v2 at CGROUPS; what the kernel does
// not have is a line on the console. False with errno.
bool cgroups_prepare(void);

// Makes the container's cgroup ready for a new container, with limits that hold for the workload's leaf as well, where
// the container itself sees them.
const struct fault *cgroups_limit(const struct limits *limits);

// Makes the leaf of a process, or takes one that is as new: 0 is the workload's. False with errno.
bool cgroup_make(uint64_t process, char path[LEAF_PATH]);

// A descriptor, for a process to be made in it; -1 with errno.
int cgroup_open(const char *path);

// Sends a signal to all processes in a cgroup but `except`, or kills them, and those that come meanwhile.
void cgroup_signal(const char *path, int signum, int except);
void cgroup_kill(const char *path);

// How many processes the kernel has killed in it for want of memory; 0 when it does not count them.
uint64_t cgroup_oom_kills(const char *path);

// Removes a leaf that nothing runs in any more; any other stays. To make one costs as much as to make a process: one
// that nobody can have changed (`is_plain`) is kept for the next process. The path of a leaf that is gone is empty.
void cgroup_retire(char path[LEAF_PATH], bool is_plain);

// Removes a leaf. One that processes are left in goes with the next that is removed after their end.
void cgroup_remove(const char *path);

// A number in one of its files: alone (`key` null, "max" is none), or behind a key on a line of its own.
bool cgroup_number(const char *path, const char *file, const char *key, uint64_t *value);

#endif
