// The guest's own mounts: the kernel's file systems, outside of any container.
#ifndef VZAGENT_MOUNTS_H
#define VZAGENT_MOUNTS_H

// Leaves the initial root, which cannot be pivoted away from, for a mount of the same files. Ends the guest on failure.
void mounts_own_root(void);

// Mounts /proc and /sys, without which neither the command line nor devices can be read. Ends the guest on failure.
void mounts_first(void);

// Mounts /dev and cgroup v2, and makes the agent's and the container's cgroup. Ends the guest on failure.
void mounts_rest(void);

#endif
