#include "offspring.h"

#include "cgroups.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

// The kernel's struct clone_args, as far as cgroups need it.
struct clone_arguments {
  uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

enum { CLONE3 = 435 };  // the same number everywhere

// CLONE_INTO_CGROUP, which musl does not know.
#define INTO_CGROUP UINT64_C(0x200000000)

static pid_t make(const char *leaf, uint64_t flags) {
  int cgroup = cgroup_open(leaf);
  if (cgroup < 0) return -1;
  struct clone_arguments arguments = {
      .flags = flags | INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (uint64_t)cgroup};
  // The bare call: this process has one thread and no state that a library would have to mend in the child.
  pid_t child = (pid_t)syscall(CLONE3, &arguments, sizeof arguments);
  int error = errno;
  if (child != 0) close(cgroup);
  errno = error;
  return child;
}

pid_t offspring_init(const char *leaf) { return make(leaf, CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS); }

pid_t offspring_within(const char *leaf, int init) {
  static int own = -1;
  if (own < 0) own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
  // This changes where children of this process are made, and nothing else about it.
  if (own < 0 || setns(init, CLONE_NEWPID) != 0) return -1;
  pid_t child = make(leaf, 0);
  if (child == 0) return child;
  int error = errno;
  if (setns(own, CLONE_NEWPID) != 0) log_fatal("cannot return to the agent's PID namespace: %m");
  errno = error;
  return child;
}
