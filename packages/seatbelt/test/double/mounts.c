#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "failure.h"
#include "landlock.h"

static bool lies_in(const char *path, const char *folder) {
  size_t length = strlen(folder);
  if (length == 1) return true;
  return strncmp(path, folder, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

/* The last rule before this one, about a folder around it, that speaks of writing. */
static const struct path_rule *around(const struct policy *policy, size_t index) {
  const char *path = policy->paths[index].path;
  for (size_t i = index; i-- > 0;) {
    const struct path_rule *rule = &policy->paths[i];
    if (rule->subtree && (rule->rights & RIGHT_WRITE_FILE) != 0 && lies_in(path, rule->path)) return rule;
  }
  return NULL;
}

static void mount_on_itself(const char *path, unsigned long flags) {
  if (access(path, F_OK) != 0) return;
  if (mount(path, path, NULL, MS_BIND | MS_REC, NULL) != 0 ||
      mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | flags, NULL) != 0) {
    fail(REFUSED, "mount %s: %s", path, strerror(errno));
  }
}

/* Landlock cannot take back below a folder what it allows there: such a folder is mounted read-only. */
void mount_denied_paths(const struct policy *policy) {
  bool separate = false;
  for (size_t i = 0; i < policy->path_count; i++) {
    const struct path_rule *rule = &policy->paths[i];
    if (!rule->subtree || (rule->rights & RIGHT_WRITE_FILE) == 0) continue;
    const struct path_rule *outer = around(policy, i);
    if (outer == NULL || outer->denied == rule->denied) continue;
    if (!separate && (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)) {
      fail(REFUSED, "a read-only folder in a writable one needs root: %s", strerror(errno));
    }
    separate = true;
    mount_on_itself(rule->path, rule->denied ? MS_RDONLY : 0);
  }
}
