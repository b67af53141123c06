// The agent without a machine: PID 1 of namespaces on this host, serving at a Unix socket.
//
//   agent SOCKET ROOTFS [TAG=FOLDER]...
//
// ROOTFS is the share "rootfs" (and the container's root for tags 1 to 14); more shares are folders, too.
#include "../cgroups.h"
#include "../children.h"
#include "../listener.h"
#include "../log.h"
#include "../loop.h"
#include "../names.h"
#include "../network.h"
#include "../root.h"
#include "listener_unix.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char cgroup[PATH_MAX];

static void must(int result, const char *what) {
  if (result >= 0) return;
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

static void write_file(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  must(fd, path);
  must((int)write(fd, text, strlen(text)), path);
  close(fd);
}

// A cgroup of its own, so that its namespace's root is not the machine's.
static void make_cgroup(void) {
  const char *folder = access("/sys/fs/cgroup/cgroup.procs", F_OK) == 0 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/unified";
  snprintf(cgroup, sizeof cgroup, "%s/vzagent-test-%d", folder, getpid());
  must(mkdir(cgroup, 0755), cgroup);
}

static void enter_cgroup(void) {
  char procs[PATH_MAX + 32];
  snprintf(procs, sizeof procs, "%s/cgroup.procs", cgroup);
  write_file(procs, "0");
  must(unshare(CLONE_NEWCGROUP), "cgroup namespace");
}

static int remove_folder(const char *path, const struct stat *found, int kind, struct FTW *place) {
  (void)found;
  (void)place;
  if (kind == FTW_DP) rmdir(path);
  return 0;
}

// No process can be made for it: the namespace for this one's children has ended.
static void remove_cgroups(void) {
  for (int attempt = 0; attempt < 50 && access(cgroup, F_OK) == 0; attempt++) {
    nftw(cgroup, remove_folder, 8, FTW_DEPTH | FTW_PHYS);
    if (access(cgroup, F_OK) == 0) usleep(20000);
  }
}

static void bind_folder(const char *from, const char *to) {
  must(mkdir(to, 0755), to);
  must(mount(from, to, NULL, MS_BIND | MS_REC, NULL), from);
}

static void mount_new(const char *type, const char *path) {
  must(mkdir(path, 0755), path);
  must(mount(type, path, type, 0, NULL), path);
}

// A root in memory with the kernel's file systems, what a sanitizer needs for its reports, and the shares.
static void make_root(char **shares, int count) {
  static const char *const folders[] = {"usr", "bin", "lib", "lib64", "dev"};
  char from[64], to[PATH_MAX];
  must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "private mounts");
  must(mount("root", "/mnt", "tmpfs", 0, "mode=755"), "tmpfs");
  for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
    snprintf(from, sizeof from, "/%s", folders[i]);
    snprintf(to, sizeof to, "/mnt/%s", folders[i]);
    if (access(from, F_OK) == 0) bind_folder(from, to);
  }
  must(mkdir("/mnt/shares", 0755), "shares");
  for (int i = 0; i < count; i++) {
    char *folder = strchr(shares[i], '=');
    if (folder == NULL) continue;
    snprintf(to, sizeof to, "/mnt/shares/%.*s", (int)(folder - shares[i]), shares[i]);
    bind_folder(folder + 1, to);
  }
  must(chdir("/mnt"), "root");
  must((int)syscall(SYS_pivot_root, ".", "."), "pivot_root");
  must(umount2(".", MNT_DETACH), "old root");
  must(chdir("/"), "root");
  mount_new("proc", "/proc");
  mount_new("sysfs", "/sys");
  must(mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, NULL), "cgroup2");
}

static void serve(char **arguments, int count) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) exit(1);
  enter_cgroup();
  must(unshare(CLONE_NEWNS | CLONE_NEWNET), "namespaces");
  must(listener_unix_open(arguments[1]) ? 0 : -1, arguments[1]);
  char rootfs[PATH_MAX];
  snprintf(rootfs, sizeof rootfs, "rootfs=%s", arguments[2]);
  arguments[2] = rootfs;
  make_root(arguments + 2, count - 2);
  must(loop_open() ? 0 : -1, "event loop");
  must(cgroups_prepare() ? 0 : -1, "cgroups");
  must(names_open() ? 0 : -1, "names");
  network_prepare();
  const struct fault *failed = root_boot("rootfs");
  if (failed != NULL) log_fatal("%s", failed->text);
  must(children_watch() && listener_serve() ? 0 : -1, "event loop");
  loop_run();
}

int main(int count, char **arguments) {
  if (count < 3) return 2;
  // Nothing of it outlives a test that is killed.
  if (prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) != 0) return 1;
  make_cgroup();
  must(unshare(CLONE_NEWPID), "PID namespace");
  pid_t child = fork();
  must(child, "fork");
  if (child == 0) serve(arguments, count);
  // A signal ends the child, which is a PID 1 and notices none itself, and with it all of its processes.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGCHLD);
  sigprocmask(SIG_BLOCK, &signals, NULL);
  int status;
  while (waitpid(child, &status, WNOHANG) == 0) {
    if (sigwaitinfo(&signals, NULL) != SIGCHLD) kill(child, SIGKILL);
  }
  remove_cgroups();
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
