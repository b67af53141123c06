#include "root.h"

#include "mount_tree.h"

const struct fault *share_mount(const char *tag, int *tree) {
  // Read-only is an attribute of each mount: the kernel has one file system for a tag, whoever mounts it first.
  const struct fault *failed = tree_mount("virtiofs", tag, NULL, TREE_NODEV, tree);
  if (failed == NULL) return NULL;
  // The file system takes a tag that no device has for a wrong argument.
  if (failed->kind == FAILURE_KIND_INVALID) failed = fault(FAILURE_KIND_NOT_FOUND, "no such share");
  return fault_before(failed, "cannot mount %s (virtiofs)", tag);
}
