#include "seed.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

// On the volume's root while a copy is under way: what a machine that was switched off has left is no volume yet.
#define UNFINISHED "trusted.zlayer.seeding"

enum { DEEPEST = 256, LONGEST_NAMES = 64 * 1024, LARGEST_VALUE = 64 * 1024, AT_ONCE = 8 * 1024 * 1024 };

static bool copy_folder(int from, int to, int depth);

static bool copy_attributes(int from, int to) {
  char *names = malloc(LONGEST_NAMES + LARGEST_VALUE), *value = names == NULL ? NULL : names + LONGEST_NAMES;
  if (names == NULL) return false;
  ssize_t length = flistxattr(from, names, LONGEST_NAMES);
  bool copied = length >= 0 || errno == ENOTSUP;
  for (char *name = names; copied && length > 0 && name < names + length; name += strlen(name) + 1) {
    if (strncmp(name, "trusted.", 8) == 0) continue;  // overlayfs's own
    ssize_t size = fgetxattr(from, name, value, LARGEST_VALUE);
    copied = (size >= 0 && fsetxattr(to, name, value, (size_t)size, 0) == 0) || errno == ENODATA || errno == ENOTSUP;
  }
  free(names);
  return copied;
}

// The owner first: a change of it takes set-user-id bits and capabilities away.
static bool copy_metadata(int from, int to, const struct stat *stat) {
  const struct timespec times[] = {stat->st_atim, stat->st_mtim};
  return fchown(to, stat->st_uid, stat->st_gid) == 0 && fchmod(to, stat->st_mode & 07777) == 0 &&
         copy_attributes(from, to) && futimens(to, times) == 0;
}

static bool copy_content(int from, int to) {
  for (;;) {
    ssize_t sent = sendfile(to, from, NULL, AT_ONCE);
    if (sent <= 0) return sent == 0;
  }
}

static bool copy_file(int from_folder, int to_folder, const char *name, const struct stat *stat) {
  int from = openat(from_folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  int to = from < 0 ? -1 : openat(to_folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
  bool copied = to >= 0 && copy_content(from, to) && copy_metadata(from, to, stat);
  int error = errno;
  if (from >= 0) close(from);
  if (to >= 0) close(to);
  errno = error;
  return copied;
}

static bool copy_subfolder(int from_folder, int to_folder, const char *name, const struct stat *stat, int depth) {
  if (mkdirat(to_folder, name, 0700) != 0 && errno != EEXIST) return false;
  int from = openat(from_folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  int to = from < 0 ? -1 : openat(to_folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  bool copied = to >= 0 && copy_folder(from, to, depth) && copy_metadata(from, to, stat);
  int error = errno;
  if (from >= 0) close(from);
  if (to >= 0) close(to);
  errno = error;
  return copied;
}

static bool copy_link(int from_folder, int to_folder, const char *name) {
  char target[PATH_MAX];
  ssize_t length = readlinkat(from_folder, name, target, sizeof target - 1);
  if (length < 0) return false;
  target[length] = '\0';
  return symlinkat(target, to_folder, name) == 0;
}

static bool copy_entry(int from, int to, const char *name, int depth) {
  struct stat stat;
  if (fstatat(from, name, &stat, AT_SYMLINK_NOFOLLOW) != 0) return false;
  if (S_ISDIR(stat.st_mode)) return copy_subfolder(from, to, name, &stat, depth);
  if (unlinkat(to, name, 0) != 0 && errno != ENOENT) return false;
  if (S_ISREG(stat.st_mode)) return copy_file(from, to, name, &stat);
  bool made = S_ISLNK(stat.st_mode) ? copy_link(from, to, name) : mknodat(to, name, stat.st_mode, stat.st_rdev) == 0;
  const struct timespec times[] = {stat.st_atim, stat.st_mtim};
  return made && fchownat(to, name, stat.st_uid, stat.st_gid, AT_SYMLINK_NOFOLLOW) == 0 &&
         utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool copy_folder(int from, int to, int depth) {
  if (depth == DEEPEST) {
    errno = ELOOP;
    return false;
  }
  int listed = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *folder = listed < 0 ? NULL : fdopendir(listed);
  bool copied = folder != NULL;
  errno = 0;
  for (struct dirent *entry; copied && (entry = readdir(folder)) != NULL; errno = 0) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    copied = copy_entry(from, to, entry->d_name, depth + 1);
  }
  int error = errno;
  if (folder != NULL) closedir(folder);
  errno = error;
  return copied && error == 0;
}

static bool is_empty(int folder) {
  int listed = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *entries = listed < 0 ? NULL : fdopendir(listed);
  bool empty = entries != NULL;
  for (struct dirent *entry; empty && (entry = readdir(entries)) != NULL;) {
    empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
  }
  if (entries != NULL) closedir(entries);
  return empty;
}

static bool is_readonly(int folder) {
  struct statvfs found;
  return fstatvfs(folder, &found) != 0 || (found.f_flag & ST_RDONLY) != 0;
}

const struct fault *seed_volume(int image, int volume, const char *target) {
  int from = openat(image, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int to = from < 0 ? -1 : openat(volume, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  struct stat stat;
  bool done = to >= 0 && fstat(from, &stat) == 0;
  if (done && !is_readonly(to)) {
    // A database refuses a folder that is not empty, and nobody repairs file systems in this guest.
    unlinkat(to, "lost+found", AT_REMOVEDIR);
    if (fgetxattr(to, UNFINISHED, NULL, 0) >= 0 || is_empty(to)) {
      done = fsetxattr(to, UNFINISHED, "", 0, 0) == 0 && copy_folder(from, to, 0) && copy_metadata(from, to, &stat) &&
             syncfs(to) == 0 && fremovexattr(to, UNFINISHED) == 0;
    }
  }
  const struct fault *failed = NULL;
  if (!done) {
    failed = fault_errno("cannot fill the empty volume at %s from the image", target);
  }
  if (from >= 0) close(from);
  if (to >= 0) close(to);
  return failed;
}
