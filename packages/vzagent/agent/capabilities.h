// What root may do inside a container.
#ifndef VZAGENT_CAPABILITIES_H
#define VZAGENT_CAPABILITIES_H

#include <stdbool.h>
#include <stdint.h>

// Docker's default set without CAP_MKNOD: Docker grants that one and takes its use away again with a device cgroup.
#define CAPABILITIES_DEFAULT UINT64_C(0xa00425fb)

// Whether programs with these can mount file systems, that of the cgroups too.
bool capabilities_can_mount(uint64_t capabilities);

// Reduces what the calling process and all that come from it can ever have. Needs CAP_SETPCAP. Errno says why it
// failed.
bool capabilities_bound(uint64_t capabilities);

// Gives the calling process, which has its final user, what that user has at an exec in Docker: root all of
// `capabilities`, everybody else none; nothing is inheritable or ambient. Errno says why it failed.
bool capabilities_apply(uint64_t capabilities);

#endif
