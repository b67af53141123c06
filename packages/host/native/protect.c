#include "protect.h"

#include <errno.h>
#include <stddef.h>

#include "platform.h"

#if HOST_HAS_MOUNT_NAMESPACES

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

static int make_read_only(const char *path) {
  struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY};
  if (mount(path, path, NULL, MS_BIND | MS_REC, NULL) != 0) return errno;
  return mount_setattr(AT_FDCWD, path, AT_RECURSIVE, &read_only, sizeof read_only) == 0 ? 0 : errno;
}

int protect_paths(char *const *paths) {
  if (*paths == NULL) return 0;
  if (unshare(CLONE_NEWNS) != 0) return errno;
  /* Mounts of the system still arrive here; ours do not go back. */
  if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0) return errno;
  for (; *paths != NULL; paths++) {
    int error = make_read_only(*paths);
    if (error != 0) return error;
  }
  return 0;
}

#else

int protect_paths(char *const *paths) { return *paths == NULL ? 0 : ENOTSUP; }

#endif
