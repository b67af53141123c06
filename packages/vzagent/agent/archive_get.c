#include "archive_work.h"
#include "inside.h"
#include "tar.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <linux/magic.h>

enum { DEEPEST = 500, READ_AT_ONCE = 64 * 1024, LONGEST_NAMES = 64 * 1024, LARGEST_VALUE = 64 * 1024 };

// A file with several names, under the first of them.
struct linked {
  struct linked *next;
  dev_t device;
  ino_t inode;
  char name[];
};

enum { BUCKETS = 1024 };

struct work {
  struct channel *channel;
  dev_t devices;  // the file system of /dev, which is the guest's own
  struct linked *linked[BUCKETS];
  struct tar_entry entry;
  uint8_t buffer[READ_AT_ONCE];
};

static const struct fault *failure(const char *name) {
  return fault_errno("cannot read %s", name);
}

// Where the path's last part lies, and how it is called. A path with a slash or a dot at its end means what a link
// leads to.
struct place {
  int parent;
  char base[NAME_MAX + 1];  // a name in it, or a dot for the folder itself
  char name[NAME_MAX + 1];  // what an archive calls it
};

static const struct fault *find(int root, const char *wanted, struct place *place) {
  char path[PATH_MAX];
  size_t length = strlen(wanted);
  bool follow = false;
  if (length >= sizeof path) return fault(FAILURE_KIND_INVALID, "the path is too long");
  memcpy(path, wanted, length + 1);
  while (length > 1 && (path[length - 1] == '/' || (path[length - 1] == '.' && path[length - 2] == '/'))) {
    path[--length] = '\0';
    follow = true;
  }
  const char *slash = strrchr(path, '/'), *base = slash == NULL ? path : slash + 1;
  size_t base_length = strlen(base);
  if (base_length > NAME_MAX) return fault(FAILURE_KIND_INVALID, "the path's last part is too long");
  if (strcmp(base, "..") == 0) return fault(FAILURE_KIND_INVALID, "the path ends with ..");
  bool is_root = length == 0 || strcmp(path, "/") == 0 || strcmp(path, ".") == 0;
  memcpy(place->name, base, base_length + 1);
  memcpy(place->base, base, base_length + 1);
  if (is_root) memcpy(place->name, "/", 2);
  if (is_root || follow) memcpy(place->base, ".", 2);
  if (!follow && !is_root) path[base - path] = '\0';
  place->parent = inside_open(root, path[0] == '\0' ? "/" : path, O_RDONLY | O_DIRECTORY);
  if (place->parent >= 0) return NULL;
  return fault_errno("%s", wanted);
}

static bool read_link(int parent, const char *base, char target[PATH_MAX]) {
  ssize_t length = readlinkat(parent, base, target, PATH_MAX - 1);
  target[length < 0 ? 0 : length] = '\0';
  return length >= 0;
}

static const struct fault *send_info(struct channel *channel, const struct place *place, const char *path) {
  static struct channel_info info;
  if (fstatat(place->parent, place->base, &info.stat, AT_SYMLINK_NOFOLLOW) != 0) {
    return fault_errno("%s", path);
  }
  info.is_link = S_ISLNK(info.stat.st_mode);
  memcpy(info.name, place->name, sizeof info.name);
  if (info.is_link && !read_link(place->parent, place->base, info.target)) return failure(path);
  channel_send(channel, CHANNEL_IS_INFO, &info, sizeof info);
  return NULL;
}

const struct fault *work_head(struct channel *channel, int root, const char *path) {
  struct place place;
  const struct fault *failed = find(root, path, &place);
  return failed == NULL ? send_info(channel, &place, path) : failed;
}

static bool add_attributes(struct tar_entry *entry, int fd) {
  char *names = malloc(LONGEST_NAMES + LARGEST_VALUE), *value = names == NULL ? NULL : names + LONGEST_NAMES;
  if (names == NULL) return false;
  ssize_t length = flistxattr(fd, names, LONGEST_NAMES);
  bool added = true;
  for (char *name = names; added && length > 0 && name < names + length; name += strlen(name) + 1) {
    if (strncmp(name, "user.", 5) != 0 && strcmp(name, "security.capability") != 0) continue;
    ssize_t size = fgetxattr(fd, name, value, LARGEST_VALUE);
    if (size >= 0) added = tar_attribute_add(&entry->attributes, name, value, (size_t)size);
  }
  free(names);
  return added;
}

static const struct fault *send_header(struct work *work) {
  struct bytes header = {0};
  bool made = tar_write_header(&header, &work->entry);
  if (made) channel_write(work->channel, bytes_head(&header), bytes_length(&header));
  bytes_free(&header);
  bytes_free(&work->entry.attributes);
  return made ? NULL : fault(FAILURE_KIND_EXHAUSTED, "out of memory");
}

// Exactly as many bytes as the header says, whatever happens to the file meanwhile.
static const struct fault *send_content(struct work *work, int fd, const char *name, uint64_t size) {
  uint64_t padded = size + (-size & (TAR_BLOCK - 1));
  bool ended = false;
  while (padded > 0) {
    size_t part = padded < sizeof work->buffer ? (size_t)padded : sizeof work->buffer;
    size_t wanted = size < part ? (size_t)size : part;
    ssize_t got = ended || wanted == 0 ? 0 : read(fd, work->buffer, wanted);
    if (got < 0) return failure(name);
    if (got == 0) {
      ended = true;
      got = (ssize_t)part;
      memset(work->buffer, 0, part);
    }
    channel_write(work->channel, work->buffer, (size_t)got);
    padded -= (uint64_t)got;
    size = size < (uint64_t)got ? 0 : size - (uint64_t)got;
  }
  return NULL;
}

// The first name of a file that has several, or null after it was noted down.
static const char *find_linked(struct work *work, const struct stat *stat, const char *name) {
  struct linked **bucket = &work->linked[(stat->st_ino ^ stat->st_dev) % BUCKETS];
  for (struct linked *each = *bucket; each != NULL; each = each->next) {
    if (each->inode == stat->st_ino && each->device == stat->st_dev) return each->name;
  }
  struct linked *noted = malloc(sizeof *noted + strlen(name) + 1);
  if (noted == NULL) return NULL;
  *noted = (struct linked){.next = *bucket, .device = stat->st_dev, .inode = stat->st_ino};
  memcpy(noted->name, name, strlen(name) + 1);
  *bucket = noted;
  return NULL;
}

static const struct fault *send_file(struct work *work, int parent, const char *base, const struct stat *stat) {
  struct tar_entry *entry = &work->entry;
  const char *first = stat->st_nlink > 1 ? find_linked(work, stat, entry->name) : NULL;
  if (first != NULL) {
    entry->type = TAR_HARD_LINK;
    memcpy(entry->link, first, strlen(first) + 1);
    return send_header(work);
  }
  // No reader may wait here: what is a file now may have become a pipe.
  int fd = openat(parent, base, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT ? NULL : failure(entry->name);
  entry->type = TAR_FILE;
  entry->size = (uint64_t)stat->st_size;
  const struct fault *failed = NULL;
  if (!add_attributes(entry, fd)) failed = fault(FAILURE_KIND_EXHAUSTED, "out of memory");
  if (failed == NULL) failed = send_header(work);
  if (failed == NULL) failed = send_content(work, fd, base, (uint64_t)stat->st_size);
  close(fd);
  return failed;
}

// What the kernel and the agent show in the container is no part of it.
static bool is_foreign(const struct work *work, int fd, const struct stat *stat, dev_t parent_device) {
  struct statfs found;
  if (stat->st_dev == parent_device) return false;
  if (stat->st_dev == work->devices) return true;
  if (fstatfs(fd, &found) != 0) return true;
  return found.f_type == PROC_SUPER_MAGIC || found.f_type == SYSFS_MAGIC || found.f_type == CGROUP2_SUPER_MAGIC ||
         found.f_type == DEVPTS_SUPER_MAGIC;
}

static const struct fault *send_entry(struct work *work, int parent, const char *base, const char *name,
                                      dev_t parent_device, int depth);

static const struct fault *send_entries(struct work *work, int fd, const char *name, dev_t device, int depth) {
  int listed = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *folder = listed < 0 ? NULL : fdopendir(listed);
  if (folder == NULL) return failure(name);
  const struct fault *failed = NULL;
  for (struct dirent *each; failed == NULL && (each = readdir(folder)) != NULL;) {
    char path[TAR_LONGEST_NAME];
    if (strcmp(each->d_name, ".") == 0 || strcmp(each->d_name, "..") == 0) continue;
    int length = text_format(path, sizeof path, "%s%s", name, each->d_name);
    if (length < 0 || (size_t)length >= sizeof path) {
      failed = fault(FAILURE_KIND_INVALID, "%s: a path below it is too long", name);
    } else {
      failed = send_entry(work, fd, each->d_name, path, device, depth + 1);
    }
  }
  closedir(folder);
  return failed;
}

static const struct fault *send_folder(struct work *work, int parent, const char *base, const struct stat *stat,
                                       dev_t parent_device, int depth) {
  char name[TAR_LONGEST_NAME + 1];
  struct tar_entry *entry = &work->entry;
  size_t length = strlen(entry->name);
  if (depth == DEEPEST) return fault(FAILURE_KIND_INVALID, "folders are more than %d deep", DEEPEST);
  int fd = openat(parent, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT ? NULL : failure(entry->name);
  entry->type = TAR_FOLDER;
  if (entry->name[length - 1] != '/') memcpy(entry->name + length, "/", 2);
  memcpy(name, entry->name, sizeof name);
  // The container's own root is called by a dot, so that nothing in the archive is absolute.
  if (strcmp(name, "/") == 0) memcpy(entry->name, "./", 3);
  if (strcmp(name, "/") == 0) memcpy(name, "./", 3);
  const struct fault *failed = add_attributes(entry, fd) ? NULL : fault(FAILURE_KIND_EXHAUSTED, "out of memory");
  if (failed == NULL) failed = send_header(work);
  if (failed == NULL && !is_foreign(work, fd, stat, parent_device)) {
    failed = send_entries(work, fd, name, stat->st_dev, depth);
  }
  close(fd);
  return failed;
}

static const struct fault *send_entry(struct work *work, int parent, const char *base, const char *name,
                                      dev_t parent_device, int depth) {
  struct stat stat;
  struct tar_entry *entry = &work->entry;
  if (fstatat(parent, base, &stat, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno == ENOENT && depth > 0 ? NULL : failure(name);
  }
  *entry = (struct tar_entry){
      .mode = stat.st_mode & 07777, .uid = stat.st_uid, .gid = stat.st_gid, .modified = stat.st_mtim};
  memcpy(entry->name, name, strlen(name) + 1);
  switch (stat.st_mode & S_IFMT) {
    case S_IFDIR: return send_folder(work, parent, base, &stat, depth == 0 ? stat.st_dev : parent_device, depth);
    case S_IFREG: return send_file(work, parent, base, &stat);
    case S_IFLNK:
      entry->type = TAR_LINK;
      return read_link(parent, base, entry->link) ? send_header(work) : failure(name);
    case S_IFCHR:
    case S_IFBLK:
      entry->type = S_ISCHR(stat.st_mode) ? TAR_CHARACTER_DEVICE : TAR_BLOCK_DEVICE;
      entry->major_number = major(stat.st_rdev);
      entry->minor_number = minor(stat.st_rdev);
      return send_header(work);
    case S_IFIFO: entry->type = TAR_FIFO; return send_header(work);
    default: return NULL;  // a socket means nothing without its owner
  }
}

const struct fault *work_get(struct channel *channel, int root, const char *path) {
  static struct work work;
  struct stat devices;
  struct place place;
  struct bytes end = {0};
  work.channel = channel;
  if (fstatat(root, "dev", &devices, AT_SYMLINK_NOFOLLOW) == 0) work.devices = devices.st_dev;
  const struct fault *failed = find(root, path, &place);
  if (failed == NULL) failed = send_info(channel, &place, path);
  if (failed == NULL) failed = send_entry(&work, place.parent, place.base, place.name, 0, 0);
  if (failed == NULL && !tar_write_end(&end)) failed = fault(FAILURE_KIND_EXHAUSTED, "out of memory");
  if (failed != NULL) return failed;
  channel_write(channel, bytes_head(&end), bytes_length(&end));
  channel_flush(channel);
  return NULL;
}
