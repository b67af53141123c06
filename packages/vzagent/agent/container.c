#include "container.h"

#include "files.h"
#include "mounts.h"
#include "start_report.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { KERNEL_FLAGS = MS_NOSUID | MS_NODEV | MS_NOEXEC };

static void enter_root(int report) {
  // The new root goes on top of the old one, which is then taken away from below it.
  if (chdir(CONTAINER_ROOT) == 0 && syscall(SYS_pivot_root, ".", ".") == 0 && umount2(".", MNT_DETACH) == 0 &&
      chdir("/") == 0) {
    return;
  }
  start_fail(report, "cannot enter the container's root: %s", strerror(errno));
}

static void folder(const char *path, mode_t mode, int report) {
  struct stat found;
  if (lstat(path, &found) != 0) {
    if (mkdir(path, mode) == 0) return;
    start_fail(report, "cannot make %s in the container: %s", path, strerror(errno));
  }
  // An image's link would put the mount, and what it hides, somewhere else.
  if (!S_ISDIR(found.st_mode)) start_fail(report, "the image's %s is not a folder", path);
}

static void mount_at(const char *type, const char *path, unsigned long flags, const char *data, int report) {
  folder(path, 0755, report);
  if (mount(type, path, type, flags, data) == 0) return;
  start_fail(report, "cannot mount %s at %s in the container: %s", type, path, strerror(errno));
}

static void device(const char *path, unsigned major_number, unsigned minor_number, int report) {
  if (mknod(path, S_IFCHR | 0666, makedev(major_number, minor_number)) == 0) return;
  start_fail(report, "cannot make %s in the container: %s", path, strerror(errno));
}

static void link_at(const char *path, const char *target, int report) {
  if (symlink(target, path) == 0) return;
  start_fail(report, "cannot make %s in the container: %s", path, strerror(errno));
}

static void make_devices(int report) {
  mount_at("tmpfs", "/dev", MS_NOSUID | MS_STRICTATIME, "mode=755,size=64k", report);
  device("/dev/null", 1, 3, report);
  device("/dev/zero", 1, 5, report);
  device("/dev/full", 1, 7, report);
  device("/dev/random", 1, 8, report);
  device("/dev/urandom", 1, 9, report);
  device("/dev/tty", 5, 0, report);
  mount_at("devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5", report);
  mount_at("tmpfs", "/dev/shm", KERNEL_FLAGS, "mode=1777,size=64m", report);
  mount_at("mqueue", "/dev/mqueue", KERNEL_FLAGS, NULL, report);
  link_at("/dev/ptmx", "pts/ptmx", report);
  link_at("/dev/fd", "/proc/self/fd", report);
  link_at("/dev/stdin", "/proc/self/fd/0", report);
  link_at("/dev/stdout", "/proc/self/fd/1", report);
  link_at("/dev/stderr", "/proc/self/fd/2", report);
}

static void hide(const char *path, int report) {
  struct stat found;
  if (stat(path, &found) != 0) {
    if (errno == ENOENT) return;
  } else if (S_ISDIR(found.st_mode)) {
    if (mount("tmpfs", path, "tmpfs", MS_RDONLY | KERNEL_FLAGS, "size=4k,mode=555") == 0) return;
  } else if (mount("/dev/null", path, NULL, MS_BIND, NULL) == 0) {
    return;
  }
  start_fail(report, "cannot hide %s in the container: %s", path, strerror(errno));
}

static void make_readonly(const char *path, int report) {
  if (mount(path, path, NULL, MS_BIND | MS_REC, NULL) == 0 &&
      mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | KERNEL_FLAGS, NULL) == 0) {
    return;
  }
  if (errno == ENOENT) return;
  start_fail(report, "cannot make %s read-only in the container: %s", path, strerror(errno));
}

// What the OCI runtime specification's users hide: it shows or changes the machine, not the container.
static void protect_kernel_files(int report) {
  static const char *const hidden[] = {
      "/proc/acpi",       "/proc/asound",      "/proc/kcore",      "/proc/keys", "/proc/latency_stats",
      "/proc/sched_debug", "/proc/scsi",       "/proc/sysrq-trigger", "/proc/timer_list", "/proc/timer_stats",
      "/sys/firmware",    "/sys/devices/virtual/powercap",
  };
  static const char *const readonly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"};
  for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++) hide(hidden[i], report);
  for (size_t i = 0; i < sizeof readonly / sizeof readonly[0]; i++) make_readonly(readonly[i], report);
}

static void mount_share(const struct share *share, int report) {
  if (!make_folders(share->target, 0755, 0, 0)) {
    start_fail(report, "cannot make the mount target %s: %s", share->target, strerror(errno));
  }
  unsigned long flags = MS_NODEV | (share->readonly ? MS_RDONLY : 0);
  if (mount(share->tag, share->target, "virtiofs", flags, NULL) == 0) return;
  start_fail(report, "cannot mount the share \"%s\" at %s: %s", share->tag, share->target, strerror(errno));
}

void container_enter(const struct share *shares, size_t count, int report) {
  enter_root(report);
  mode_t mask = umask(0);
  mount_at("proc", "/proc", KERNEL_FLAGS, NULL, report);
  make_devices(report);
  mount_at("sysfs", "/sys", KERNEL_FLAGS | MS_RDONLY, NULL, report);
  if (mount("cgroup", "/sys/fs/cgroup", "cgroup2", KERNEL_FLAGS | MS_RDONLY, NULL) != 0) {
    start_fail(report, "cannot mount cgroup2 in the container: %s", strerror(errno));
  }
  protect_kernel_files(report);
  for (size_t i = 0; i < count; i++) mount_share(&shares[i], report);
  umask(mask);
}
