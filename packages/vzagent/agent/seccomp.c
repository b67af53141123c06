#include "seccomp.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#define OTHER_ARCH AUDIT_ARCH_I386
enum { OTHER_SOCKET = 359, OTHER_SOCKETCALL = 102, OTHER_CLONE = 120, OTHER_UNSHARE = 310 };
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#define OTHER_ARCH AUDIT_ARCH_ARM
enum { OTHER_SOCKET = 281, OTHER_SOCKETCALL = 102, OTHER_CLONE = 120, OTHER_UNSHARE = 337 };
#else
#error "no seccomp filter for this architecture"
#endif

// Numbers above 423 are the same everywhere.
enum { IO_URING_SETUP = 425, CLONE3 = 435, X32_BIT = 0x40000000 };

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define LOAD_ARGUMENT(n) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[n]))
#define SKIP_UNLESS_EQUAL(value, count) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (count))
#define SKIP_UNLESS_ANY_BIT(bits, count) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (bits), 0, (count))
#define SKIP_UNLESS_AT_LEAST(value, count) BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (value), 0, (count))
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define DENY(error) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))

// All take the system call's number from the accumulator and leave it there when the call is another one.
#define DENY_CALL(number, error) SKIP_UNLESS_EQUAL(number, 1), DENY(error)
#define DENY_ARGUMENT(number, value, error) \
  SKIP_UNLESS_EQUAL(number, 4), LOAD_ARGUMENT(0), SKIP_UNLESS_EQUAL(value, 1), DENY(error), ALLOW
#define DENY_FLAG(number, flag, error) \
  SKIP_UNLESS_EQUAL(number, 4), LOAD_ARGUMENT(0), SKIP_UNLESS_ANY_BIT(flag, 1), DENY(error), ALLOW

// clone3 hides its flags behind a pointer; without it every libc falls back to clone.
#define DENY_EVERYWHERE DENY_CALL(IO_URING_SETUP, ENOSYS), DENY_CALL(CLONE3, ENOSYS)

// Instructions that one architecture's part takes, counted for the jump over it.
enum { CHECK = 2, ARGUMENT_CHECK = 5, NATIVE_PART = 1 + 3 * CHECK + 3 * ARGUMENT_CHECK + 1,
       OTHER_PART = 1 + 2 * CHECK + 4 * ARGUMENT_CHECK + 1 };

static const struct sock_filter filter[] = {
    LOAD(arch),
    SKIP_UNLESS_EQUAL(NATIVE_ARCH, NATIVE_PART),
    LOAD(nr),
#if defined(__x86_64__)
    SKIP_UNLESS_AT_LEAST(X32_BIT, 1),
    DENY(ENOSYS),
#else
    SKIP_UNLESS_AT_LEAST(UINT32_MAX, 1),
    DENY(ENOSYS),
#endif
    DENY_EVERYWHERE,
    DENY_ARGUMENT(SYS_socket, AF_VSOCK, EAFNOSUPPORT),
    DENY_FLAG(SYS_clone, CLONE_NEWUSER, EPERM),
    DENY_FLAG(SYS_unshare, CLONE_NEWUSER, EPERM),
    ALLOW,

    SKIP_UNLESS_EQUAL(OTHER_ARCH, OTHER_PART),
    LOAD(nr),
    DENY_EVERYWHERE,
    DENY_ARGUMENT(OTHER_SOCKET, AF_VSOCK, EAFNOSUPPORT),
    // The old multiplexer takes its arguments by pointer: its way to make a socket is closed, libcs use the new one.
    DENY_ARGUMENT(OTHER_SOCKETCALL, 1, ENOSYS),
    DENY_FLAG(OTHER_CLONE, CLONE_NEWUSER, EPERM),
    DENY_FLAG(OTHER_UNSHARE, CLONE_NEWUSER, EPERM),
    ALLOW,
    DENY(ENOSYS),
};
_Static_assert(sizeof filter / sizeof filter[0] == 1 + 1 + NATIVE_PART + 1 + OTHER_PART + 1, "a jump is off");

bool seccomp_install(void) {
  struct sock_fprog program = {.len = sizeof filter / sizeof filter[0], .filter = (struct sock_filter *)filter};
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}
