// PID 1 of a libkrun guest, in front of the agent: makes the agent a root in memory, is PID 1 for it in a namespace of its
// own, and restarts the machine when it has ended, which is how a libkrun machine ends. libkrun's own init may have
// started it, too; then it only ends.
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define AGENT "/init"
// Only the folder that is shared as the root has it, and no initramfs.
#define NEW_ROOT "/newroot"

static void say(const char *what) {
  dprintf(2, "krun-init: %s: %s\n", what, strerror(errno));
}

static _Noreturn void end(int status) {
  sync();
  if (getpid() == 1) {
    reboot(RB_AUTOBOOT);
    for (;;) pause();
  }
  _exit(status);
}

static _Noreturn void fail(const char *what) {
  say(what);
  end(1);
}

static void copy(const char *from, const char *to) {
  static char piece[65536];
  int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
  ssize_t got = -1;
  while (in >= 0 && out >= 0 && (got = read(in, piece, sizeof piece)) > 0) {
    for (ssize_t at = 0, put; at < got; at += put) {
      if ((put = write(out, piece + at, (size_t)(got - at))) <= 0) fail(to);
    }
  }
  if (got < 0) fail(from);
  close(in);
  close(out);
}

// Nothing of the host's folder is left in the guest but what is copied.
static void leave_shared_root(void) {
  struct stat info;
  if (stat(NEW_ROOT, &info) != 0) return;
  if (mount("tmpfs", NEW_ROOT, "tmpfs", 0, "mode=755") != 0) fail("cannot mount a root in memory");
  copy(AGENT, NEW_ROOT AGENT);
  // The kernel has every driver built in.
  static const char *const folders[] = {NEW_ROOT "/dev", NEW_ROOT "/lib", NEW_ROOT "/lib/modules"};
  for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
    if (mkdir(folders[i], 0755) != 0) fail(folders[i]);
  }
  static const char *const lists[] = {NEW_ROOT "/lib/modules/modules.load", NEW_ROOT "/lib/modules/modules.late"};
  for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
    int list = open(lists[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (list < 0) fail(lists[i]);
    close(list);
  }
  if (chdir(NEW_ROOT) != 0 || mount(".", "/", NULL, MS_MOVE, NULL) != 0 || chroot(".") != 0 || chdir("/") != 0) {
    fail("cannot enter the root in memory");
  }
}

int main(void) {
  leave_shared_root();
  pid_t agent = (pid_t)syscall(SYS_clone, SIGCHLD | CLONE_NEWPID, NULL, NULL, NULL, NULL);
  if (agent < 0) fail("cannot make a PID namespace");
  if (agent == 0) {
    char *const arguments[] = {AGENT, NULL}, *const environment[] = {NULL};
    execve(AGENT, arguments, environment);
    say(AGENT);
    _exit(1);
  }
  int status;
  for (pid_t ended; (ended = waitpid(-1, &status, 0)) != agent;) {
    if (ended < 0 && errno != EINTR) fail("cannot wait for the agent");
  }
  // Asked to turn the machine off, the kernel ends the namespace's PID 1 by a signal.
  end(WIFSIGNALED(status) ? 0 : WEXITSTATUS(status));
}
