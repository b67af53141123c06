// The guest's own mounts: the kernel's file systems and the container's root, assembled outside the container.
#ifndef VZAGENT_MOUNTS_H
#define VZAGENT_MOUNTS_H

// Where the container's root is mounted before it becomes one.
#define CONTAINER_ROOT "/container/root"

// The cgroup of the workload and everything it starts.
#define WORKLOAD_CGROUP "/sys/fs/cgroup/workload"

// Leaves the initial root, which cannot be pivoted away from, for a mount of the same files. Ends the guest on failure.
void mounts_own_root(void);

// Mounts /proc and /sys, without which neither the command line nor devices can be read. Ends the guest on failure.
void mounts_first(void);

// Mounts /dev and cgroup v2, and makes the workload's cgroup. Ends the guest on failure.
void mounts_rest(void);

// Mounts the virtio-fs share `tag` read-only below an overlay whose changes go to a tmpfs of half the memory.
// Ends the guest on failure.
void mounts_container_root(const char *tag);

#endif
