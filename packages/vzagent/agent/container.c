#include "container.h"

#include "inside.h"
#include "log.h"
#include "modules.h"
#include "mount_tree.h"
#include "names.h"
#include "network.h"
#include "root.h"
#include "text.h"
#include "volumes.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { KERNEL_FLAGS = MS_NOSUID | MS_NODEV | MS_NOEXEC };

static const struct fault *failure(const char *action, const char *path) {
  return fault_errno("cannot %s %s in the container", action, path);
}

static const struct fault *enter_root(void) {
  // The new root goes on top of the old one, which is then taken away from below it.
  if (chdir(CONTAINER_ROOT) == 0 && syscall(SYS_pivot_root, ".", ".") == 0 && umount2(".", MNT_DETACH) == 0 &&
      chdir("/") == 0) {
    return NULL;
  }
  return fault(FAILURE_KIND_INTERNAL, "cannot enter the container's root: %m");
}

static const struct fault *folder(const char *path, mode_t mode) {
  struct stat found;
  if (lstat(path, &found) != 0) return mkdir(path, mode) == 0 ? NULL : failure("make", path);
  // An image's link would put the mount, and what it hides, somewhere else.
  return S_ISDIR(found.st_mode) ? NULL : fault(FAILURE_KIND_INVALID, "the image's %s is not a folder", path);
}

static const struct fault *mount_at(const char *type, const char *path, unsigned long flags, const char *data) {
  const struct fault *failed = folder(path, 0755);
  if (failed != NULL) return failed;
  return mount(type, path, type, flags, data) == 0 ? NULL : failure("mount", path);
}

struct kernel_mount {
  const char *type;
  const char *path;
  unsigned long flags;
  const char *data;
};

static const struct fault *make_mounts(const struct kernel_mount *mounts, size_t count) {
  const struct fault *failed = NULL;
  for (size_t i = 0; failed == NULL && i < count; i++) {
    failed = mount_at(mounts[i].type, mounts[i].path, mounts[i].flags, mounts[i].data);
  }
  return failed;
}

static const struct fault *make_devices(void) {
  static const struct {
    const char *path;
    unsigned major_number;
    unsigned minor_number;
  } devices[] = {
      {"/dev/null", 1, 3},   {"/dev/zero", 1, 5},    {"/dev/full", 1, 7},
      {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0},
  };
  static const char *const links[][2] = {
      {"/dev/ptmx", "pts/ptmx"},           {"/dev/fd", "/proc/self/fd"},        {"/dev/stdin", "/proc/self/fd/0"},
      {"/dev/stdout", "/proc/self/fd/1"}, {"/dev/stderr", "/proc/self/fd/2"},
  };
  for (size_t i = 0; i < sizeof devices / sizeof devices[0]; i++) {
    dev_t number = makedev(devices[i].major_number, devices[i].minor_number);
    if (mknod(devices[i].path, S_IFCHR | 0666, number) != 0) return failure("make", devices[i].path);
  }
  for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
    if (symlink(links[i][1], links[i][0]) != 0) return failure("make", links[i][0]);
  }
  return NULL;
}

static const struct fault *mount_kernel_file_systems(void) {
  static const struct kernel_mount first[] = {
      {"proc", "/proc", KERNEL_FLAGS, NULL},
      {"tmpfs", "/dev", MS_NOSUID | MS_STRICTATIME, "mode=755,size=64k"},
  };
  static const struct kernel_mount rest[] = {
      {"devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"},
      {"tmpfs", "/dev/shm", KERNEL_FLAGS, "mode=1777,size=64m"},
      {"mqueue", "/dev/mqueue", KERNEL_FLAGS, NULL},
      {"sysfs", "/sys", KERNEL_FLAGS | MS_RDONLY, NULL},
      {"cgroup2", "/sys/fs/cgroup", KERNEL_FLAGS | MS_RDONLY, NULL},
  };
  const struct fault *failed = make_mounts(first, sizeof first / sizeof first[0]);
  if (failed == NULL) failed = make_devices();
  return failed == NULL ? make_mounts(rest, sizeof rest / sizeof rest[0]) : failed;
}

static const struct fault *hide(const char *path) {
  struct stat found;
  if (stat(path, &found) != 0) {
    if (errno == ENOENT) return NULL;
  } else if (S_ISDIR(found.st_mode)) {
    if (mount("tmpfs", path, "tmpfs", MS_RDONLY | KERNEL_FLAGS, "size=4k,mode=555") == 0) return NULL;
  } else if (mount("/dev/null", path, NULL, MS_BIND, NULL) == 0) {
    return NULL;
  }
  return failure("hide", path);
}

static const struct fault *make_readonly(const char *path) {
  if (mount(path, path, NULL, MS_BIND | MS_REC, NULL) == 0 &&
      mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | KERNEL_FLAGS, NULL) == 0) {
    return NULL;
  }
  return errno == ENOENT ? NULL : failure("make read-only", path);
}

// What the OCI runtime specification's users hide: it shows or changes the machine, not the container.
static const struct fault *protect_kernel_files(void) {
  static const char *const hidden[] = {
      "/proc/acpi",       "/proc/asound",      "/proc/kcore",      "/proc/keys", "/proc/latency_stats",
      "/proc/sched_debug", "/proc/scsi",       "/proc/sysrq-trigger", "/proc/timer_list", "/proc/timer_stats",
      "/sys/firmware",    "/sys/devices/virtual/powercap",
  };
  static const char *const readonly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"};
  const struct fault *failed = NULL;
  for (size_t i = 0; failed == NULL && i < sizeof hidden / sizeof hidden[0]; i++) failed = hide(hidden[i]);
  for (size_t i = 0; failed == NULL && i < sizeof readonly / sizeof readonly[0]; i++) {
    failed = make_readonly(readonly[i]);
  }
  return failed;
}

static const char *const name_files[] = {"resolv.conf", "hosts", "hostname"};
enum { NAME_FILES = sizeof name_files / sizeof name_files[0] };

static const struct fault *open_names(int trees[NAME_FILES]) {
  for (size_t i = 0; i < NAME_FILES; i++) {
    char path[64];
    text_format(path, sizeof path, NAMES_FOLDER "/%s", name_files[i]);
    trees[i] = tree_clone(AT_FDCWD, path);
    if (trees[i] < 0) return fault(FAILURE_KIND_INTERNAL, "%s: %m", path);
  }
  return NULL;
}

// A link in the image, as some have for resolv.conf, is followed within the container.
static const struct fault *attach_names(const int trees[NAME_FILES], int root) {
  for (size_t i = 0; i < NAME_FILES; i++) {
    char path[64];
    text_format(path, sizeof path, "/etc/%s", name_files[i]);
    int place = inside_make(root, path, INSIDE_FILE);
    bool attached = place >= 0 && tree_attach(trees[i], place);
    int error = errno;
    if (place >= 0) close(place);
    close(trees[i]);
    // A root that is read-only to its ground and has no such file goes without.
    if (!attached && error != EROFS) return fault(failure_kind_of(error), "cannot mount %s: %s", path, strerror(error));
  }
  return NULL;
}

static const struct fault *fill_root(const struct container *container, const int *names, const int *volumes) {
  const struct fault *failed = enter_root();
  int root = failed == NULL ? open("/", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
  if (failed == NULL) failed = mount_kernel_file_systems();
  if (failed == NULL) failed = attach_names(names, root);
  if (failed == NULL) failed = volumes_attach(container, volumes, root);
  if (failed == NULL) failed = protect_kernel_files();
  if (failed == NULL && container->root.readonly && !tree_restrict(root, TREE_READONLY)) {
    failed = fault(FAILURE_KIND_INTERNAL, "cannot make the container's root read-only: %m");
  }
  if (root >= 0) close(root);
  return failed;
}

const struct fault *container_enter(const struct container *container) {
  int names[NAME_FILES], volumes[MOST_MOUNTS];
  if (sethostname(container->hostname, strlen(container->hostname)) != 0) {
    return fault(FAILURE_KIND_INVALID, "cannot set the host name: %m");
  }
  mode_t mask = umask(0);
  int network = network_watch_settling();
  const struct fault *failed = container->root.booted ? NULL : root_assemble(&container->root);
  if (failed == NULL) failed = volumes_open(container, volumes);
  if (failed == NULL) failed = open_names(names);
  if (failed == NULL) failed = fill_root(container, names, volumes);
  if (failed == NULL) network_wait_until_settled(network);
  umask(mask);
  return failed;
}

const struct fault *container_console(const char *path) {
  int fd = open("/dev/console", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd >= 0) close(fd);
  if (fd < 0 && errno != EEXIST) return failure("make", "/dev/console");
  return mount(path, "/dev/console", NULL, MS_BIND, NULL) == 0 ? NULL : failure("mount", "/dev/console");
}

static int kept_namespace = -1, kept_root = -1;

static int open_of(pid_t pid, const char *what, int flags) {
  char path[64];
  text_format(path, sizeof path, "/proc/%d/%s", (int)pid, what);
  return open(path, flags | O_CLOEXEC);
}

void container_let_go(void) {
  if (kept_namespace >= 0) close(kept_namespace);
  if (kept_root >= 0) close(kept_root);
  kept_namespace = kept_root = -1;
}

void container_keep(pid_t init) {
  container_let_go();
  kept_namespace = open_of(init, "ns/mnt", O_RDONLY);
  kept_root = open_of(init, "root", O_PATH | O_DIRECTORY);
  if (kept_namespace >= 0 && kept_root >= 0) return;
  log_line("the container's files cannot be reached from outside: %m");
  container_let_go();
}

int container_mount_namespace(void) { return kept_namespace; }

int container_root_folder(void) { return kept_root; }
