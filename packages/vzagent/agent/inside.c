#include "inside.h"

#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/openat2.h>

enum { MOST_LINKS = 40, RACES = 128 };

int inside_open(int root, const char *path, int flags) {
  struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC), .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
  for (int attempt = 0;; attempt++) {
    int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
    // A rename somewhere in the file system while `..` was looked up: the kernel could not tell and asks to try again.
    if (fd >= 0 || errno != EAGAIN || attempt == RACES) return fd;
  }
}

// `path` up to `length` with the link at its end replaced by what it says, and the rest behind it.
static bool follow(int parent, const char *name, char path[PATH_MAX], size_t length) {
  char target[PATH_MAX], whole[PATH_MAX];
  ssize_t got = readlinkat(parent, name, target, sizeof target - 1);
  if (got <= 0) return false;
  target[got] = '\0';
  int folder = target[0] == '/' ? 0 : (int)(length - strlen(name));
  int written = text_format(whole, sizeof whole, "%.*s%s%s", folder, path, target, path + length);
  if (written < 0 || (size_t)written >= sizeof whole) {
    errno = ENAMETOOLONG;
    return false;
  }
  memcpy(path, whole, (size_t)written + 1);
  return true;
}

static bool make(int parent, const char *name, enum inside_kind kind) {
  if (kind == INSIDE_FOLDER) return mkdirat(parent, name, 0755) == 0;
  int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

// Makes the part of `path` that ends at `length`, whose folder exists. True when it is made, or when `path` was
// rewritten because the part is a link to something that is missing; `again` tells which.
static bool make_part(int root, char path[PATH_MAX], size_t length, enum inside_kind kind, bool *again) {
  char folder[PATH_MAX], name[NAME_MAX + 1];
  size_t start = length;
  while (start > 0 && path[start - 1] != '/') start--;
  if (length - start >= sizeof name) {
    errno = ENAMETOOLONG;
    return false;
  }
  text_format(folder, sizeof folder, "/%.*s", (int)start, path);
  text_format(name, sizeof name, "%.*s", (int)(length - start), path + start);
  int parent = inside_open(root, folder, O_PATH | O_DIRECTORY);
  if (parent < 0) return false;
  bool made = make(parent, name, kind);
  if (!made && errno == EEXIST) made = *again = follow(parent, name, path, length);
  int error = errno;
  close(parent);
  errno = error;
  return made;
}

int inside_make(int root, const char *wanted, enum inside_kind kind) {
  char path[PATH_MAX], partial[PATH_MAX];
  if (strlen(wanted) >= sizeof path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(path, wanted, strlen(wanted) + 1);
  int links = 0;
  for (size_t at = 0;;) {
    at += strspn(path + at, "/");
    size_t end = at + strcspn(path + at, "/");
    bool last = path[end + strspn(path + end, "/")] == '\0';
    enum inside_kind wanted_kind = last ? kind : INSIDE_FOLDER;
    text_format(partial, sizeof partial, "/%.*s", (int)end, path);
    int fd = inside_open(root, partial, O_PATH | (wanted_kind == INSIDE_FOLDER ? O_DIRECTORY : 0));
    if (fd < 0) {
      if (errno != ENOENT) return -1;
      bool again = false;
      if (!make_part(root, path, end, wanted_kind, &again)) return -1;
      if (again && ++links > MOST_LINKS) {
        errno = ELOOP;
        return -1;
      }
      if (again) at = 0;
      continue;
    }
    if (last) return fd;
    close(fd);
    at = end;
  }
}
