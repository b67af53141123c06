#include "../mount_tree.h"
#include "../root.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

// A folder of the host in place of a virtio-fs share.
const struct fault *share_mount(const char *tag, int *tree) {
  int shares = open("/shares", O_PATH | O_DIRECTORY | O_CLOEXEC);
  *tree = shares < 0 ? -1 : tree_clone(shares, tag);
  int error = errno;
  if (shares >= 0) close(shares);
  if (*tree >= 0) return NULL;
  if (error == ENOENT) return fault(FAILURE_KIND_NOT_FOUND, "cannot mount %s (virtiofs): no such share", tag);
  return fault(failure_kind_of(error), "cannot mount %s (virtiofs): %s", tag, strerror(error));
}
