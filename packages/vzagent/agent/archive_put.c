#include "archive_work.h"
#include "inside.h"
#include "tar.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { WRITE_AT_ONCE = 64 * 1024, DEEPEST = 256, MOST_FOLDER_TIMES = 100 * 1000 };

// A folder gets its time at last: every file made in it changes it.
struct folder_time {
  struct folder_time *next;
  struct timespec modified;
  char path[];
};

struct work {
  struct tar_reader reader;
  struct tar_entry entry;
  struct folder_time *times;
  size_t time_count;
  int root;
  const char *folder;
  bool keep_owners;
  bool replace_folders;
  uint8_t buffer[WRITE_AT_ONCE];
};

static const struct fault *failure(const char *action, const char *name) {
  return fault_errno("cannot %s %s", action, name);
}

// An entry's name without what means nothing, as the archive's author may have left the work to whoever unpacks.
// False when it would lead out of the folder.
static bool clean(const char *name, char cleaned[PATH_MAX]) {
  size_t length = 0;
  cleaned[0] = '\0';
  while (*name != '\0') {
    name += strspn(name, "/");
    size_t part = strcspn(name, "/");
    if (part == 2 && memcmp(name, "..", 2) == 0) return false;
    if (part > 0 && !(part == 1 && *name == '.')) {
      if (length > 0) cleaned[length++] = '/';
      memcpy(cleaned + length, name, part);
      length += part;
      cleaned[length] = '\0';
    }
    name += part;
  }
  return true;
}

static bool whole_path(const struct work *work, const char *cleaned, char path[PATH_MAX]) {
  int length = text_format(path, PATH_MAX, "%s/%s", work->folder, cleaned);
  if (length >= 0 && length < PATH_MAX) return true;
  errno = ENAMETOOLONG;
  return false;
}

static bool remove_tree(int parent, const char *name, int depth) {
  if (unlinkat(parent, name, 0) == 0) return true;
  if (errno != EISDIR && errno != EPERM) return false;
  int fd = depth == DEEPEST ? -1 : openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *folder = fd < 0 ? NULL : fdopendir(fd);
  if (folder == NULL) return false;
  bool removed = true;
  for (struct dirent *entry; removed && (entry = readdir(folder)) != NULL;) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    removed = remove_tree(dirfd(folder), entry->d_name, depth + 1);
  }
  int error = errno;
  closedir(folder);
  errno = error;
  return removed && unlinkat(parent, name, AT_REMOVEDIR) == 0;
}

// Takes away what is in the way. `kept`: a folder is wanted, and there is one.
static const struct fault *make_way(const struct work *work, int parent, const char *base, bool *kept) {
  struct stat found;
  *kept = false;
  if (fstatat(parent, base, &found, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno == ENOENT ? NULL : failure("look at", work->entry.name);
  }
  bool is_folder = S_ISDIR(found.st_mode), wants_folder = work->entry.type == TAR_FOLDER;
  if (is_folder && wants_folder) {
    *kept = true;
    return NULL;
  }
  if (is_folder != wants_folder && !work->replace_folders) {
    return fault(FAILURE_KIND_CONFLICT, "%s: a %s cannot take the place of a %s", work->entry.name,
                 wants_folder ? "folder" : "file", is_folder ? "folder" : "file");
  }
  return remove_tree(parent, base, 0) ? NULL : failure("replace", work->entry.name);
}

// The owner first: a change of it takes set-user-id bits and capabilities away.
static bool set_metadata(const struct work *work, int fd) {
  const struct tar_entry *entry = &work->entry;
  uid_t uid = work->keep_owners ? entry->uid : 0;
  gid_t gid = work->keep_owners ? entry->gid : 0;
  if (fchown(fd, uid, gid) != 0 || fchmod(fd, entry->mode) != 0) return false;
  const char *name;
  const uint8_t *value;
  size_t at = 0, length;
  while (tar_attribute_next(&entry->attributes, &at, &name, &value, &length)) {
    if (strncmp(name, "user.", 5) != 0 && strcmp(name, "security.capability") != 0) continue;
    // A file system without them is no reason to refuse the file.
    if (fsetxattr(fd, name, value, length, 0) != 0 && errno != EOPNOTSUPP) return false;
  }
  const struct timespec times[] = {entry->modified, entry->modified};
  return futimens(fd, times) == 0;
}

static const struct fault *put_file(struct work *work, int parent, const char *base) {
  int fd = openat(parent, base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return failure("make", work->entry.name);
  const struct fault *failed = NULL;
  for (long got; failed == NULL && (got = tar_read(&work->reader, work->buffer, sizeof work->buffer)) != 0;) {
    if (got < 0) {
      failed = fault(FAILURE_KIND_INVALID, "the archive ends within %s", work->entry.name);
    } else if (write(fd, work->buffer, (size_t)got) != got) {
      failed = failure("write", work->entry.name);
    }
  }
  if (failed == NULL && !set_metadata(work, fd)) failed = failure("set owner, mode or time of", work->entry.name);
  if (close(fd) != 0 && failed == NULL) failed = failure("write", work->entry.name);
  return failed;
}

static void note_time(struct work *work, const char *path) {
  if (work->time_count == MOST_FOLDER_TIMES) return;
  struct folder_time *noted = malloc(sizeof *noted + strlen(path) + 1);
  if (noted == NULL) return;
  *noted = (struct folder_time){.next = work->times, .modified = work->entry.modified};
  memcpy(noted->path, path, strlen(path) + 1);
  work->times = noted;
  work->time_count++;
}

static const struct fault *put_folder(struct work *work, int parent, const char *base, const char *path, bool kept) {
  if (!kept && mkdirat(parent, base, 0700) != 0) return failure("make", work->entry.name);
  int fd = openat(parent, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  bool done = fd >= 0 && set_metadata(work, fd);
  int error = errno;
  if (fd >= 0) close(fd);
  errno = error;
  if (!done) return failure("set owner, mode or time of", work->entry.name);
  note_time(work, path);
  return NULL;
}

static const struct fault *put_hard_link(const struct work *work, int parent, const char *base) {
  char cleaned[PATH_MAX], path[PATH_MAX];
  if (!clean(work->entry.link, cleaned)) {
    return fault(FAILURE_KIND_INVALID, "%s is a link to %s, which leads out of the folder", work->entry.name,
                 work->entry.link);
  }
  int target = whole_path(work, cleaned, path) ? inside_open(work->root, path, O_PATH | O_NOFOLLOW) : -1;
  bool linked = target >= 0 && linkat(target, "", parent, base, AT_EMPTY_PATH) == 0;
  int error = errno;
  if (target >= 0) close(target);
  errno = error;
  return linked ? NULL : failure("link", work->entry.name);
}

static const struct fault *put_special(const struct work *work, int parent, const char *base) {
  const struct tar_entry *entry = &work->entry;
  mode_t type = entry->type == TAR_FIFO ? S_IFIFO : entry->type == TAR_BLOCK_DEVICE ? S_IFBLK : S_IFCHR;
  dev_t device = entry->type == TAR_FIFO ? 0 : makedev(entry->major_number, entry->minor_number);
  bool made = entry->type == TAR_LINK ? symlinkat(entry->link, parent, base) == 0
                                      : mknodat(parent, base, type | 0600, device) == 0;
  const struct timespec times[] = {entry->modified, entry->modified};
  uid_t uid = work->keep_owners ? entry->uid : 0;
  gid_t gid = work->keep_owners ? entry->gid : 0;
  made = made && fchownat(parent, base, uid, gid, AT_SYMLINK_NOFOLLOW) == 0 &&
         (entry->type == TAR_LINK || fchmodat(parent, base, entry->mode, 0) == 0) &&
         utimensat(parent, base, times, AT_SYMLINK_NOFOLLOW) == 0;
  return made ? NULL : failure("make", entry->name);
}

static const struct fault *put_at(struct work *work, int parent, const char *base, const char *path) {
  bool kept;
  const struct fault *failed = make_way(work, parent, base, &kept);
  if (failed != NULL) return failed;
  switch (work->entry.type) {
    case TAR_FILE: return put_file(work, parent, base);
    case TAR_FOLDER: return put_folder(work, parent, base, path, kept);
    case TAR_HARD_LINK: return put_hard_link(work, parent, base);
    default: return put_special(work, parent, base);
  }
}

static const struct fault *put_entry(struct work *work) {
  char cleaned[PATH_MAX], path[PATH_MAX], folder[PATH_MAX];
  if (!clean(work->entry.name, cleaned)) {
    return fault(FAILURE_KIND_INVALID, "%s leads out of the folder", work->entry.name);
  }
  // The archive's own root: the folder is there, and stays what it is.
  if (cleaned[0] == '\0') return NULL;
  if (!whole_path(work, cleaned, path)) return failure("make", work->entry.name);
  char *slash = strrchr(path, '/');
  memcpy(folder, path, (size_t)(slash - path));
  folder[slash - path] = '\0';
  int parent = inside_make(work->root, folder, INSIDE_FOLDER);
  if (parent < 0) return failure("make the folder of", work->entry.name);
  const struct fault *failed = put_at(work, parent, slash + 1, path);
  close(parent);
  return failed;
}

static void set_folder_times(const struct work *work) {
  for (const struct folder_time *each = work->times; each != NULL; each = each->next) {
    int fd = inside_open(work->root, each->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (fd < 0) continue;
    const struct timespec times[] = {each->modified, each->modified};
    futimens(fd, times);
    close(fd);
  }
}

// What follows the archive's end is padding.
static void drain(struct work *work) {
  while (work->reader.pull(work->reader.context, work->buffer, sizeof work->buffer) > 0) continue;
}

const struct fault *work_put(struct channel *channel, int root, const char *path, bool keep_owners,
                             bool replace_folders) {
  static struct work work;
  work.reader = (struct tar_reader){.pull = channel_pull, .context = channel};
  work.root = root;
  work.folder = path;
  work.keep_owners = keep_owners;
  work.replace_folders = replace_folders;
  int folder = inside_open(root, path, O_PATH | O_DIRECTORY);
  if (folder < 0) return fault_errno("%s", path);
  close(folder);
  umask(0);
  for (;;) {
    const char *reason = NULL;
    const struct fault *failed = NULL;
    switch (tar_next(&work.reader, &work.entry, &reason)) {
      case TAR_ENTRY: failed = put_entry(&work); break;
      case TAR_END: drain(&work); set_folder_times(&work); return NULL;
      default: failed = fault(FAILURE_KIND_INVALID, "the archive is malformed: %s", reason);
    }
    if (failed != NULL) return failed;
  }
}
