// PID 1 of a guest that mounts the EROFS image on its first disk, prints everything it finds there, and ends.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <termios.h>
#include <unistd.h>

enum {
  LARGE_DIRECTORY = 1000,
  PIECE = 1 << 16,
};
static const off_t LARGE_FILE = 1 << 26;
static uint32_t crc_table[256];
static unsigned long lines;

static _Noreturn void end(void) {
  fflush(stdout);
  tcdrain(STDOUT_FILENO);
  reboot(RB_AUTOBOOT);
  for (;;) pause();
}

static _Noreturn void fail(const char *what, const char *path) {
  printf("FAIL %s %s: %s\n", what, path, strerror(errno));
  end();
}

static void print_hex(const char *bytes, size_t length) {
  for (size_t index = 0; index < length; index++) printf("%02x", (unsigned char)bytes[index]);
}

static void make_crc_table(void) {
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ UINT32_C(0xedb88320) : crc >> 1;
    crc_table[byte] = crc;
  }
}

static uint32_t crc32(uint32_t crc, const unsigned char *bytes, size_t length) {
  crc = ~crc;
  while (length-- > 0) crc = crc >> 8 ^ crc_table[(crc ^ *bytes++) & 0xff];
  return ~crc;
}

static void load_modules(const char *list) {
  char line[512];
  FILE *file = fopen(list, "re");
  if (file == NULL) fail("open", list);
  while (fgets(line, sizeof line, file) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    char *path = strchr(line, '/');
    if (path == NULL) continue;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) fail("open", path);
    // Some modules are listed twice, and some find no device.
    syscall(SYS_finit_module, fd, "", 0);
    close(fd);
  }
  fclose(file);
}

static void print_content(const char *path, const struct stat *status) {
  static unsigned char piece[PIECE];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail("open", path);
  uint32_t crc = 0;
  for (off_t at = 0; at < status->st_size;) {
    ssize_t count = pread(fd, piece, sizeof piece, at);
    if (count <= 0) fail("read", path);
    crc = crc32(crc, piece, (size_t)count);
    at += count;
    // Of a large file only the ends: everything is slow in an emulated machine.
    if (status->st_size > LARGE_FILE && at == PIECE) at = status->st_size - PIECE;
  }
  close(fd);
  printf("%lld:%08x", (long long)status->st_size, (unsigned)crc);
}

static void print_xattrs(const char *path) {
  static char names[1 << 16];
  static unsigned char value[1 << 16];
  ssize_t length = llistxattr(path, names, sizeof names);
  if (length < 0) fail("listxattr", path);
  for (char *name = names; name < names + length; name += strlen(name) + 1) {
    if (name != names) putchar(',');
    print_hex(name, strlen(name));
    ssize_t size = lgetxattr(path, name, value, sizeof value);
    if (size < 0) printf("=error");
    else printf("=%zd:%08x", size, (unsigned)crc32(0, value, (size_t)size));
  }
}

static void print_path(const char *path);

static void print_directory(const char *path) {
  DIR *directory = opendir(path);
  if (directory == NULL) fail("opendir", path);
  size_t count = 0, found = 0;
  char **names = NULL;
  errno = 0;
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    char child[8192];
    struct stat status;
    snprintf(child, sizeof child, "%s/%s", path, entry->d_name);
    if (lstat(child, &status) != 0) fail("lstat", child);
    if ((mode_t)DTTOIF(entry->d_type) != (status.st_mode & S_IFMT)) fail("wrong type of", child);
    if (status.st_ino == 0) fail("no inode number", child);
    found++;
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    names = realloc(names, (count + 1) * sizeof *names);
    if (names == NULL) fail("realloc", path);
    names[count] = strdup(child);
    if (names[count++] == NULL) fail("strdup", path);
    errno = 0;
  }
  if (errno != 0) fail("readdir", path);
  closedir(directory);
  printf("%zu\n", found);
  for (size_t index = 0; index < count; index++) {
    if (count <= LARGE_DIRECTORY) print_path(names[index]);
    free(names[index]);
  }
  free(names);
}

// One line: path, mode with type, owner, time, links, inode, extended attributes, content.
static void print_path(const char *path) {
  struct stat status;
  char target[4096];
  if (lstat(path, &status) != 0) fail("lstat", path);
  lines++;
  printf("ENTRY ");
  print_hex(path, strlen(path));
  printf(" %o %u:%u %lld.%09ld %lu %llu [", (unsigned)status.st_mode, (unsigned)status.st_uid, (unsigned)status.st_gid,
         (long long)status.st_mtim.tv_sec, status.st_mtim.tv_nsec, (unsigned long)status.st_nlink,
         (unsigned long long)status.st_ino);
  print_xattrs(path);
  printf("] ");
  if (S_ISDIR(status.st_mode)) {
    print_directory(path);
    return;
  }
  if (S_ISREG(status.st_mode)) print_content(path, &status);
  if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) printf("%u,%u", major(status.st_rdev), minor(status.st_rdev));
  if (S_ISLNK(status.st_mode)) {
    ssize_t length = readlink(path, target, sizeof target);
    if (length != status.st_size) fail("readlink", path);
    print_hex(target, (size_t)length);
  }
  printf("\n");
}

// The use that images are made for: a writable layer above one.
static void try_overlay(void) {
  mkdir("/layer", 0755);
  mkdir("/merged", 0755);
  if (mount("tmpfs", "/layer", "tmpfs", 0, NULL) != 0) fail("mount", "/layer");
  mkdir("/layer/upper", 0755);
  mkdir("/layer/work", 0755);
  if (mount("overlay", "/merged", "overlay", 0, "lowerdir=/image,upperdir=/layer/upper,workdir=/layer/work") != 0)
    fail("mount", "/merged");
  FILE *file = fopen("/merged/hello", "ae");
  if (file == NULL || fputs("and more\n", file) < 0 || fclose(file) != 0) fail("append", "/merged/hello");
  char text[64] = "";
  file = fopen("/merged/hello", "re");
  if (file == NULL || fread(text, 1, sizeof text - 1, file) == 0) fail("read", "/merged/hello");
  fclose(file);
  text[strcspn(text, "\n")] = '+';
  printf("OVERLAY %s", text);
}

int main(void) {
  static char buffer[1 << 16];
  setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
  make_crc_table();
  mkdir("/proc", 0755);
  mkdir("/image", 0755);
  mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
  load_modules("/lib/modules/modules.load");
  load_modules("/lib/modules/modules.late");
  for (int tries = 0; access("/dev/vda", F_OK) != 0 && tries < 500; tries++) usleep(10000);
  if (mount("/dev/vda", "/image", "erofs", MS_RDONLY, NULL) != 0) fail("mount", "/image");
  print_path("/image");
  try_overlay();
  printf("END %lu\n", lines);
  end();
}
