#include "files.h"

#include "bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool file_write(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  bool written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
  int error = errno;
  close(fd);
  errno = error;
  return written;
}

static bool read_all(int fd, struct bytes *text) {
  for (;;) {
    if (!bytes_reserve(text, 4096)) {
      errno = ENOMEM;
      return false;
    }
    ssize_t got = read(fd, text->data + text->end, text->capacity - text->end);
    if (got < 0) return false;
    if (got == 0) return true;
    text->end += (size_t)got;
  }
}

char *file_read(const char *path, size_t *length) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return NULL;
  struct bytes text = {0};
  bool complete = read_all(fd, &text) && bytes_append(&text, "", 1);
  int error = errno;
  close(fd);
  if (!complete) {
    bytes_free(&text);
    errno = error;
    return NULL;
  }
  if (length != NULL) *length = bytes_length(&text) - 1;
  return (char *)text.data;
}

static bool make_folder(const char *path, mode_t mode, uid_t uid, gid_t gid) {
  struct stat found;
  if (stat(path, &found) == 0) {
    if (S_ISDIR(found.st_mode)) return true;
    errno = ENOTDIR;
    return false;
  }
  return mkdir(path, mode) == 0 && ((uid == 0 && gid == 0) || chown(path, uid, gid) == 0);
}

bool make_folders(const char *path, mode_t mode, uid_t uid, gid_t gid) {
  char partial[PATH_MAX];
  size_t length = strlen(path);
  if (length >= sizeof partial) {
    errno = ENAMETOOLONG;
    return false;
  }
  for (size_t i = 1; i <= length; i++) {
    if (path[i] != '/' && path[i] != '\0') continue;
    memcpy(partial, path, i);
    partial[i] = '\0';
    if (!make_folder(partial, mode, uid, gid)) return false;
  }
  return true;
}
