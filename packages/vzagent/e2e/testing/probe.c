// Tries from inside a container what a workload must not be able to do; prints each attempt's error number, 0 for success.
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static void tell(const char *what, long result) { printf("%s %d\n", what, result < 0 ? errno : 0); }

#if defined(__x86_64__)
// The 32-bit entry: the kernel reads the i386 table's numbers.
static long call32(long number, long first, long second, long third) {
  long result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(first), "c"(second), "d"(third) : "memory");
  if (result >= 0) return result;
  errno = (int)-result;
  return -1;
}
#endif

int main(void) {
  tell("vsock", socket(AF_VSOCK, SOCK_STREAM, 0));
  tell("vsock-datagram", socket(AF_VSOCK, SOCK_DGRAM, 0));
  tell("vsock-seqpacket", socket(AF_VSOCK, SOCK_SEQPACKET, 0));
  tell("vsock-pair", socketpair(AF_VSOCK, SOCK_STREAM, 0, (int[2]){0}));
  tell("inet", socket(AF_INET, SOCK_STREAM, 0));
  tell("unix", socket(AF_UNIX, SOCK_STREAM, 0));
  tell("io_uring", syscall(425, 1, NULL));
  tell("clone3", syscall(435, NULL, 0));
  tell("unshare-user", unshare(CLONE_NEWUSER));
  tell("clone-user", syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL));
  tell("mknod", mknod("/tmp/device", S_IFCHR | 0600, makedev(1, 1)));
  tell("mount", mount("tmpfs", "/tmp", "tmpfs", 0, NULL));
  tell("remount", mount(NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND, NULL));
  tell("umount", umount2("/proc/sys", MNT_DETACH));
  tell("chroot-escape", open("/proc/1/root/..", O_PATH));
  tell("ptrace-init", ptrace(PTRACE_ATTACH, 1, NULL, NULL));
  tell("init-memory", open("/proc/1/mem", O_RDWR));
  tell("kernel-memory", open("/proc/kcore", O_RDONLY) >= 0 ? read(open("/proc/kcore", O_RDONLY), &(char){0}, 1) : -1);
#if defined(__x86_64__)
  tell("vsock-32", call32(359, AF_VSOCK, SOCK_STREAM, 0));
  tell("inet-32", call32(359, AF_INET, SOCK_STREAM, 0));
  tell("socketcall-32", call32(102, 1, 0, 0));
  tell("x32", syscall(0x40000000 | SYS_getpid));
#endif
  return 0;
}
