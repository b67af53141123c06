#include "root.h"

#include "disks.h"
#include "mount_tree.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER "/container"
#define LOWER FOLDER "/lower"
#define CHANGES FOLDER "/changes"

static const struct fault *make(const char *path) {
  if (mkdir(path, 0755) == 0 || errno == EEXIST) return NULL;
  return fault_errno("cannot make %s", path);
}

// Attaches a detached mount to a folder of the agent's and closes it.
static const struct fault *attach(int tree, const char *path) {
  const struct fault *failed = make(path);
  int place = failed == NULL ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
  if (failed == NULL && (place < 0 || !tree_attach(tree, place))) {
    failed = fault_errno("cannot mount at %s", path);
  }
  if (place >= 0) close(place);
  close(tree);
  return failed;
}

static const struct fault *mount_lower(const struct container_root *root, const char *path) {
  int tree = -1;
  const struct fault *failed = root->lower == ROOT_LOWER_EROFS ? disk_mount_erofs(root->lower_source, &tree)
                                                          : share_mount(root->lower_source, &tree);
  return failed == NULL ? attach(tree, path) : failed;
}

static const struct fault *mount_upper(const struct container_root *root) {
  int tree = -1;
  const struct fault *failed;
  if (root->upper == ROOT_UPPER_DISK) {
    failed = disk_mount_ext4(root->upper_source, &tree);
  } else {
    char size[32] = "50%";
    if (root->upper_bytes > 0) text_format(size, sizeof size, "%llu", (unsigned long long)root->upper_bytes);
    const struct tree_option options[] = {{"size", size}, {"mode", "755"}, {NULL, NULL}};
    failed = tree_mount("tmpfs", "changes", options, TREE_NODEV, &tree);
  }
  return failed == NULL ? attach(tree, CHANGES) : failed;
}

// The overlay shows its upper folder's owner and mode at the root: they have to be the image's, unless a disk brings
// the root folder of an earlier run.
static const struct fault *make_upper_folder(void) {
  struct stat image;
  if (mkdir(CHANGES "/upper", 0755) != 0) {
    if (errno == EEXIST) return NULL;
  } else if (stat(LOWER, &image) == 0 && chown(CHANGES "/upper", image.st_uid, image.st_gid) == 0 &&
             chmod(CHANGES "/upper", image.st_mode & 07777) == 0) {
    return NULL;
  }
  return fault_errno("cannot make the writable layer's root folder");
}

const struct fault *root_assemble(const struct container_root *root) {
  const struct fault *failed = make(FOLDER);
  if (failed == NULL) failed = make(CONTAINER_ROOT);
  if (failed != NULL) return failed;
  if (root->upper == ROOT_UPPER_NONE) return mount_lower(root, CONTAINER_ROOT);
  failed = mount_lower(root, LOWER);
  if (failed == NULL) failed = mount_upper(root);
  if (failed == NULL) failed = make_upper_folder();
  if (failed == NULL) failed = make(CHANGES "/work");
  if (failed != NULL) return failed;
  // Set-user-id programs of the image have to work, so nosuid is not set anywhere here.
  if (mount("overlay", CONTAINER_ROOT, "overlay", MS_NODEV,
            "lowerdir=" LOWER ",upperdir=" CHANGES "/upper,workdir=" CHANGES "/work") == 0) {
    return NULL;
  }
  return fault_errno("cannot mount the container's root (overlay)");
}

static bool booted;

const struct fault *root_boot(const char *tag) {
  const struct container_root root = {.lower = ROOT_LOWER_SHARE, .lower_source = tag, .upper = ROOT_UPPER_TMPFS};
  const struct fault *failed = root_assemble(&root);
  booted = failed == NULL;
  return failed;
}

bool root_is_booted(void) { return booted; }
