// The container as its processes see it: root, mounts, devices, kernel file systems, names. Described by a message,
// noted by the agent, and put together from inside the container's new namespaces.
#ifndef VZAGENT_CONTAINER_H
#define VZAGENT_CONTAINER_H

#include "fault.h"
#include "share.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Where the container's root is mounted before it becomes one.
#define CONTAINER_ROOT "/container/root"

struct container_root {
  bool booted;  // what the kernel command line named and the boot has mounted; nothing else counts then
  enum root_lower lower;
  const char *lower_source;  // a virtio-fs share's tag; a disk's serial number or /dev/NAME
  enum root_upper upper;
  const char *upper_source;  // of a disk: its serial number
  uint64_t upper_bytes;      // of a tmpfs: at most so many; 0 is half of the memory
  bool readonly;
};

struct container_mount {
  enum mount_kind kind;
  const char *source;   // a share's tag, a disk's serial number; for a tmpfs unused
  const char *subpath;  // below the share; null for all of it
  const char *target;   // absolute, in the container
  bool readonly;
  uint64_t bytes;  // a tmpfs of at most so many; 0 is half of the memory
  mode_t mode;     // of a tmpfs; 0 is 01777
};

struct container {
  struct container_root root;
  struct container_mount *mounts;
  size_t mount_count;
  const char *hostname;  // never null
  void *memory;          // what all of the above point into; null when nothing has to be freed
};

// What a Start message describes: null when it worked (then `container_free` the result), or what is wrong with it. The
// message may go afterwards.
const struct fault *container_describe(const struct start_message *start, struct container *container);

// The container of a Run message: the root of the kernel command line with the shares that Mount messages named, which
// have to outlive the result.
const struct fault *container_describe_run(const struct share *shares, size_t count, struct container *container);

// Inside the new PID, mount, IPC and UTS namespaces (and the workload's cgroup): waits for the network's first
// configuration (a few seconds at most, and only when there is an Ethernet interface), sets the host name, mounts
// everything and makes the container's root the calling process's root. It may block; it needs no descriptor of the
// agent's.
const struct fault *container_enter(const struct container *container);

// Inside, after `container_enter`: makes /dev/console the terminal `path` (/dev/pts/0).
const struct fault *container_console(const char *path);

// Agent side, once the container's program runs: archives and tunnels to Unix sockets go into the namespaces of `init`
// from here on, also after its end, until there is another container.
void container_keep(pid_t init);

// Lets go of what is mounted in the container that is kept, so that its disks are complete. Before the guest powers
// off.
void container_let_go(void);

// Descriptors of the kept container's mount namespace and of its root folder (O_PATH); -1 while there is none.
int container_mount_namespace(void);
int container_root_folder(void);

void container_free(struct container *container);

#endif
