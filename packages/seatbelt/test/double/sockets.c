#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "failure.h"
#include "landlock.h"

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "unknown architecture"
#endif

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, field))
#define IF_EQUAL(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), (yes), (no))
#define AND(value) BPF_STMT(BPF_ALU | BPF_AND | BPF_K, (value))
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, (value))
#define DENY RETURN(SECCOMP_RET_ERRNO | EPERM)
#define ALLOW RETURN(SECCOMP_RET_ALLOW)
#define SOCKET_TYPE 0xfu

/* Landlock sees TCP alone: other sockets need an open network, and without ports there are none at all. */
void restrict_sockets(const struct policy *policy) {
  if (policy->bind_all && policy->connect_all) return;
  bool streams = policy->bind_count + policy->connect_count > 0 || policy->bind_all || policy->connect_all;
  struct sock_filter program[] = {
      LOAD(arch),
      IF_EQUAL(ARCHITECTURE, 1, 0),
      RETURN(SECCOMP_RET_KILL_PROCESS),
      LOAD(nr),
      IF_EQUAL(SYS_socket, 1, 0),
      ALLOW,
      LOAD(args[0]),
      IF_EQUAL(AF_UNIX, 0, 1),
      RETURN(policy->unix_sockets ? SECCOMP_RET_ALLOW : (SECCOMP_RET_ERRNO | EPERM)),
      IF_EQUAL(AF_INET, 2, 0),
      IF_EQUAL(AF_INET6, 1, 0),
      DENY,
      LOAD(args[1]),
      AND(SOCKET_TYPE),
      IF_EQUAL(SOCK_STREAM, 0, 1),
      RETURN(streams ? SECCOMP_RET_ALLOW : (SECCOMP_RET_ERRNO | EPERM)),
      DENY,
  };
  struct sock_fprog filter = {.len = sizeof program / sizeof *program, .filter = program};
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) fail(REFUSED, "seccomp: %s", strerror(errno));
}
