#include "mounts.h"

#include "cgroups.h"
#include "log.h"

#include <errno.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static void folder(const char *path) {
  if (mkdir(path, 0755) != 0 && errno != EEXIST) log_fatal("cannot make %s: %m", path);
}

static void mount_at(const char *source, const char *path, const char *type, unsigned long flags, const char *data) {
  folder(path);
  if (mount(source, path, type, flags, data) == 0) return;
  log_fatal("cannot mount %s (%s) at %s: %m", source, type, path);
}

void mounts_own_root(void) {
  folder("/root");
  if (mount("/", "/root", NULL, MS_BIND, NULL) != 0 || chdir("/root") != 0 ||
      mount(".", "/", NULL, MS_MOVE, NULL) != 0 || chroot(".") != 0 || chdir("/") != 0) {
    log_fatal("cannot leave the initial root: %m");
  }
}

void mounts_first(void) {
  mount_at("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
  mount_at("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

void mounts_rest(void) {
  mount_at("devtmpfs", "/dev", "devtmpfs", MS_NOSUID | MS_NOEXEC, "mode=755");
  mount_at("cgroup2", "/sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, "nsdelegate");
  if (!cgroups_prepare()) log_fatal("cannot make cgroups: %m");
}
