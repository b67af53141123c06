#include "mount_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/mount.h>

// The kernel gives the reason as "e text": one letter for its weight.
static void read_reason(int context, char *reason, size_t size) {
  ssize_t got = read(context, reason, size - 1);
  if (got <= 2) got = 0;
  reason[got] = '\0';
  if (got > 0) memmove(reason, reason + 2, (size_t)got - 1);
  size_t length = strlen(reason);
  while (length > 0 && reason[length - 1] == '\n') reason[--length] = '\0';
}

static bool configure(int context, const char *source, const struct tree_option *options) {
  if (syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "source", source, 0) != 0) return false;
  for (; options != NULL && options->key != NULL; options++) {
    unsigned command = options->value == NULL ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING;
    if (syscall(SYS_fsconfig, context, command, options->key, options->value, 0) != 0) return false;
  }
  return syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0;
}

static uint64_t kernel_attributes(unsigned attributes) {
  return ((attributes & TREE_READONLY) != 0 ? MOUNT_ATTR_RDONLY : 0) |
         ((attributes & TREE_NOSUID) != 0 ? MOUNT_ATTR_NOSUID : 0) |
         ((attributes & TREE_NODEV) != 0 ? MOUNT_ATTR_NODEV : 0) |
         ((attributes & TREE_NOEXEC) != 0 ? MOUNT_ATTR_NOEXEC : 0);
}

const struct fault *tree_mount(const char *type, const char *source, const struct tree_option *options,
                               unsigned attributes, int *tree) {
  int context = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
  if (context < 0) return fault_errno("%s", type);
  const struct fault *failed = NULL;
  *tree = -1;
  if (configure(context, source, options)) {
    *tree = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, kernel_attributes(attributes));
  }
  if (*tree < 0) {
    int error = errno;
    char reason[256];
    read_reason(context, reason, sizeof reason);
    failed = fault(failure_kind_of(error), "%s%s%s", strerror(error), reason[0] == '\0' ? "" : ": ", reason);
  }
  close(context);
  return failed;
}

int tree_clone(int folder, const char *path) {
  return (int)syscall(SYS_open_tree, folder, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
}

bool tree_restrict(int tree, unsigned attributes) {
  struct mount_attr wanted = {.attr_set = kernel_attributes(attributes)};
  return attributes == 0 || syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &wanted, sizeof wanted) == 0;
}

bool tree_attach(int tree, int place) {
  unsigned flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
  return syscall(SYS_move_mount, tree, "", place, "", flags) == 0;
}
