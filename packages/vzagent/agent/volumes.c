#include "volumes.h"

#include "disks.h"
#include "inside.h"
#include "mount_tree.h"
#include "root.h"
#include "seed.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHARES "/container/shares"

// Only an attached mount can be cloned, so each share gets a place of its own.
static const struct fault *attach_share(const char *tag, size_t index, int *folder) {
  char path[sizeof SHARES + 24];
  text_format(path, sizeof path, SHARES "/%zu", index);
  int tree = -1;
  const struct fault *failed = share_mount(tag, &tree);
  if (failed != NULL) return failed;
  bool made = (mkdir(SHARES, 0755) == 0 || errno == EEXIST) && (mkdir(path, 0755) == 0 || errno == EEXIST);
  int place = made ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
  if (place < 0 || !tree_attach(tree, place)) {
    failed = fault_errno("cannot mount the share \"%s\"", tag);
  }
  if (place >= 0) close(place);
  close(tree);
  if (failed == NULL) *folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (failed == NULL && *folder < 0) {
    failed = fault(FAILURE_KIND_INTERNAL, "the share \"%s\": %m", tag);
  }
  return failed;
}

static const struct fault *clone_part(const struct container_mount *mount, int share, int *tree) {
  int part = mount->subpath == NULL ? dup(share) : inside_open(share, mount->subpath, O_PATH);
  if (part < 0) {
    return fault_errno("the share \"%s\" has no \"%s\"", mount->source, mount->subpath);
  }
  *tree = tree_clone(part, "");
  int error = errno;
  close(part);
  if (*tree >= 0) return NULL;
  return fault(failure_kind_of(error), "cannot mount the share \"%s\": %s", mount->source, strerror(error));
}

static const struct fault *open_share(const struct container *container, size_t index, int *folders, int *tree) {
  const struct container_mount *mount = &container->mounts[index];
  for (size_t i = 0; i < index && folders[index] < 0; i++) {
    const struct container_mount *earlier = &container->mounts[i];
    bool is_same = earlier->kind == MOUNT_KIND_SHARE && strcmp(earlier->source, mount->source) == 0;
    if (is_same) folders[index] = dup(folders[i]);
  }
  const struct fault *failed = NULL;
  if (folders[index] < 0) failed = attach_share(mount->source, index, &folders[index]);
  return failed == NULL ? clone_part(mount, folders[index], tree) : failed;
}

static const struct fault *open_tmpfs(const struct container_mount *mount, int *tree) {
  char size[32] = "50%", mode[16];
  if (mount->bytes > 0) text_format(size, sizeof size, "%llu", (unsigned long long)mount->bytes);
  text_format(mode, sizeof mode, "%o", mount->mode == 0 ? 01777 : (unsigned)(mount->mode & 07777));
  const struct tree_option options[] = {{"size", size}, {"mode", mode}, {NULL, NULL}};
  const struct fault *failed = tree_mount("tmpfs", "tmpfs", options, TREE_NOSUID | TREE_NODEV | TREE_NOEXEC, tree);
  return failed == NULL ? NULL : fault_before(failed, "cannot make a tmpfs for %s", mount->target);
}

const struct fault *volumes_open(const struct container *container, int *trees) {
  int folders[MOST_MOUNTS];
  if (container->mount_count > MOST_MOUNTS) return fault(FAILURE_KIND_INVALID, "more than %d mounts", MOST_MOUNTS);
  for (size_t i = 0; i < container->mount_count; i++) trees[i] = folders[i] = -1;
  const struct fault *failed = NULL;
  for (size_t i = 0; failed == NULL && i < container->mount_count; i++) {
    const struct container_mount *mount = &container->mounts[i];
    switch (mount->kind) {
      case MOUNT_KIND_SHARE: failed = open_share(container, i, folders, &trees[i]); break;
      case MOUNT_KIND_TMPFS: failed = open_tmpfs(mount, &trees[i]); break;
      case MOUNT_KIND_DISK: failed = disk_mount_ext4(mount->source, &trees[i]); break;
    }
  }
  for (size_t i = 0; i < container->mount_count; i++) {
    if (folders[i] >= 0) close(folders[i]);
  }
  return failed;
}

static const struct fault *attach(const struct container_mount *mount, int tree, int root) {
  struct stat source;
  if (fstat(tree, &source) != 0) {
    return fault(FAILURE_KIND_INTERNAL, "the mount at %s: %m", mount->target);
  }
  int place = inside_make(root, mount->target, S_ISDIR(source.st_mode) ? INSIDE_FOLDER : INSIDE_FILE);
  if (place < 0) {
    return fault_errno("cannot make the mount target %s", mount->target);
  }
  const struct fault *failed = mount->kind == MOUNT_KIND_DISK ? seed_volume(place, tree, mount->target) : NULL;
  if (failed == NULL && ((mount->readonly && !tree_restrict(tree, TREE_READONLY)) || !tree_attach(tree, place))) {
    failed = fault_errno("cannot mount at %s", mount->target);
  }
  close(place);
  return failed;
}

const struct fault *volumes_attach(const struct container *container, const int *trees, int root) {
  const struct fault *failed = NULL;
  for (size_t i = 0; failed == NULL && i < container->mount_count; i++) {
    failed = attach(&container->mounts[i], trees[i], root);
    close(trees[i]);
  }
  return failed;
}
