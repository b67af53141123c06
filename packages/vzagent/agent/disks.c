#include "disks.h"

#include "files.h"
#include "mount_tree.h"
#include "text.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BLOCK_DEVICES "/sys/block"
#define EXT4_IOC_RESIZE_FS _IOW('f', 16, uint64_t)

enum { SECTOR = 512, SUPERBLOCK_AT = 1024, SUPERBLOCK_BYTES = 1024, EXT4_MAGIC = 0xef53 };

// One line of a device's folder in /sys, or null. The result is the caller's to free.
static char *read_property(const char *name, const char *property) {
  char path[PATH_MAX];
  int length = text_format(path, sizeof path, BLOCK_DEVICES "/%s/%s", name, property);
  if (length < 0 || (size_t)length >= sizeof path) return NULL;
  char *text = file_read(path, NULL);
  if (text != NULL) text[strcspn(text, "\n")] = '\0';
  return text;
}

static bool has_serial(const char *name, const char *serial) {
  char *found = read_property(name, "serial");
  bool same = found != NULL && strcmp(found, serial) == 0;
  free(found);
  return same;
}

static const struct fault *describe(const char *name, struct disk *disk) {
  char *size = read_property(name, "size"), *readonly = read_property(name, "ro");
  const struct fault *failed = NULL;
  int length = text_format(disk->path, sizeof disk->path, "/dev/%s", name);
  if (size == NULL || length < 0 || (size_t)length >= sizeof disk->path) {
    failed = fault(FAILURE_KIND_NOT_FOUND, "the machine has no disk /dev/%s", name);
  } else {
    disk->bytes = text_number(size, 10, NULL) * SECTOR;
    disk->readonly = readonly != NULL && strcmp(readonly, "0") != 0;
  }
  free(size);
  free(readonly);
  return failed;
}

const struct fault *disk_find(const char *source, struct disk *disk) {
  if (strncmp(source, "/dev/", 5) == 0) {
    if (strchr(source + 5, '/') != NULL || source[5] == '.' || source[5] == '\0') {
      return fault(FAILURE_KIND_INVALID, "\"%s\" is neither a disk's serial number nor /dev/NAME", source);
    }
    return describe(source + 5, disk);
  }
  char name[sizeof((struct dirent *)0)->d_name] = "";
  size_t found = 0;
  DIR *devices = opendir(BLOCK_DEVICES);
  if (devices == NULL) return fault(FAILURE_KIND_INTERNAL, BLOCK_DEVICES ": %m");
  for (struct dirent *entry; (entry = readdir(devices)) != NULL;) {
    if (entry->d_name[0] == '.' || !has_serial(entry->d_name, source)) continue;
    memcpy(name, entry->d_name, sizeof name);
    found++;
  }
  closedir(devices);
  if (found == 0) return fault(FAILURE_KIND_NOT_FOUND, "the machine has no disk with the serial number \"%s\"", source);
  if (found > 1) return fault(FAILURE_KIND_INVALID, "the machine has %zu disks with the serial number \"%s\"", found,
                              source);
  return describe(name, disk);
}

const struct fault *disk_mount_erofs(const char *source, int *tree) {
  struct disk disk;
  const struct fault *failed = disk_find(source, &disk);
  if (failed != NULL) return failed;
  const struct tree_option readonly[] = {{"ro", NULL}, {NULL, NULL}};
  failed = tree_mount("erofs", disk.path, readonly, TREE_READONLY | TREE_NODEV, tree);
  if (failed == NULL) return NULL;
  return fault_before(failed, "cannot mount the disk \"%s\" as EROFS", source);
}

// What an ext4 superblock says of its file system: https://docs.kernel.org/filesystems/ext4/globals.html
struct extent {
  uint64_t blocks;
  uint64_t block_bytes;
};

static uint32_t le32_at(const uint8_t *bytes) {
  uint32_t value;
  memcpy(&value, bytes, sizeof value);
  return le32toh(value);
}

static const struct fault *read_extent(const char *source, const struct disk *disk, struct extent *extent) {
  uint8_t block[SUPERBLOCK_BYTES];
  int fd = open(disk->path, O_RDONLY | O_CLOEXEC);
  ssize_t got = fd < 0 ? -1 : pread(fd, block, sizeof block, SUPERBLOCK_AT);
  int error = errno;
  if (fd >= 0) close(fd);
  if (got < 0) return fault(failure_kind_of(error), "cannot read the disk \"%s\": %s", source, strerror(error));
  uint32_t log_size = got == SUPERBLOCK_BYTES ? le32_at(block + 0x18) : 0;
  if (got != SUPERBLOCK_BYTES || (block[0x38] | block[0x39] << 8) != EXT4_MAGIC || log_size > 6) {
    return fault(FAILURE_KIND_INVALID, "the disk \"%s\" has no ext4 file system", source);
  }
  uint32_t incompatible = le32_at(block + 0x60);
  const uint32_t has_64_bits = 0x80;
  uint64_t high = (incompatible & has_64_bits) != 0 ? le32_at(block + 0x150) : 0;
  *extent = (struct extent){.blocks = high << 32 | le32_at(block + 4), .block_bytes = UINT64_C(1024) << log_size};
  return NULL;
}

static const struct fault *grow(const char *source, const struct disk *disk, struct extent extent, int tree) {
  uint64_t wanted = disk->bytes / extent.block_bytes;
  if (disk->readonly || extent.blocks >= wanted) return NULL;
  int fd = openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bool grown = fd >= 0 && ioctl(fd, EXT4_IOC_RESIZE_FS, &wanted) == 0;
  int error = errno;
  if (fd >= 0) close(fd);
  if (grown) return NULL;
  return fault(failure_kind_of(error), "cannot grow the file system of the disk \"%s\" to %llu bytes: %s", source,
               (unsigned long long)disk->bytes, strerror(error));
}

const struct fault *disk_mount_ext4(const char *source, int *tree) {
  struct disk disk;
  struct extent extent = {0};
  const struct fault *failed = disk_find(source, &disk);
  if (failed == NULL) failed = read_extent(source, &disk, &extent);
  if (failed != NULL) return failed;
  const struct tree_option writable[] = {{"discard", NULL}, {NULL, NULL}};
  const struct tree_option readonly[] = {{"ro", NULL}, {NULL, NULL}};
  failed = tree_mount("ext4", disk.path, disk.readonly ? readonly : writable, TREE_NODEV, tree);
  if (failed != NULL) return fault_before(failed, "cannot mount the disk \"%s\" as ext4", source);
  failed = grow(source, &disk, extent, *tree);
  if (failed != NULL) close(*tree);
  return failed;
}
