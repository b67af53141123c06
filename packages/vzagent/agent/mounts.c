#include "mounts.h"

#include "files.h"
#include "log.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOWER "/container/lower"
#define CHANGES "/container/changes"

static void folder(const char *path) {
  if (mkdir(path, 0755) != 0 && errno != EEXIST) log_fatal("cannot make %s: %s", path, strerror(errno));
}

static void mount_at(const char *source, const char *path, const char *type, unsigned long flags, const char *data) {
  folder(path);
  if (mount(source, path, type, flags, data) == 0) return;
  log_fatal("cannot mount %s (%s) at %s: %s", source, type, path, strerror(errno));
}

void mounts_own_root(void) {
  folder("/root");
  if (mount("/", "/root", NULL, MS_BIND, NULL) != 0 || chdir("/root") != 0 ||
      mount(".", "/", NULL, MS_MOVE, NULL) != 0 || chroot(".") != 0 || chdir("/") != 0) {
    log_fatal("cannot leave the initial root: %s", strerror(errno));
  }
}

void mounts_first(void) {
  mount_at("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
  mount_at("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

// Each write waits for the kernel's readers to pass, so all are asked for at once. A controller that this kernel does not
// have limits nothing; the others still do.
static void enable_controllers(void) {
  static const char file[] = "/sys/fs/cgroup/cgroup.subtree_control";
  static const char *const controllers[] = {"+cpu", "+cpuset", "+memory", "+pids", "+io"};
  if (file_write(file, "+cpu +cpuset +memory +pids +io")) return;
  for (size_t i = 0; i < sizeof controllers / sizeof controllers[0]; i++) {
    if (file_write(file, controllers[i])) continue;
    log_line("cgroup controller %s: %s", controllers[i] + 1, strerror(errno));
  }
}

void mounts_rest(void) {
  mount_at("devtmpfs", "/dev", "devtmpfs", MS_NOSUID | MS_NOEXEC, "mode=755");
  mount_at("cgroup2", "/sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, "nsdelegate");
  enable_controllers();
  folder(WORKLOAD_CGROUP);
}

// The overlay shows its upper folder's owner and mode at the root: they have to be the image's.
static void take_root_attributes(const char *from, const char *to) {
  struct stat root;
  if (stat(from, &root) == 0 && chown(to, root.st_uid, root.st_gid) == 0 && chmod(to, root.st_mode & 07777) == 0) return;
  log_fatal("cannot carry over the root folder's attributes: %s", strerror(errno));
}

void mounts_container_root(const char *tag) {
  folder("/container");
  // Set-user-id programs of the image have to work, so nosuid is not set anywhere here.
  mount_at(tag, LOWER, "virtiofs", MS_RDONLY | MS_NODEV, NULL);
  mount_at("changes", CHANGES, "tmpfs", MS_NODEV, "size=50%,mode=755");
  folder(CHANGES "/upper");
  folder(CHANGES "/work");
  take_root_attributes(LOWER, CHANGES "/upper");
  mount_at("overlay", CONTAINER_ROOT, "overlay", MS_NODEV,
           "lowerdir=" LOWER ",upperdir=" CHANGES "/upper,workdir=" CHANGES "/work");
}
