#include "console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "limits.h"
#include "socket_path.h"

enum { BLOCK_BYTES = 64 * 1024, MIN_LIMIT = 4096 };
static const long long MAX_LIMIT = 1LL << 30;

static char input[BLOCK_BYTES];
static char copy[BLOCK_BYTES];

static int fail(const char *what) {
  fprintf(stderr, "console: %s: %s\n", what, strerror(errno));
  return 1;
}

static ssize_t read_some(int file, char *bytes, size_t capacity) {
  ssize_t got;
  do got = read(file, bytes, capacity);
  while (got < 0 && errno == EINTR);
  return got;
}

static bool write_all(int file, const char *bytes, size_t length) {
  for (size_t written = 0; written < length;) {
    ssize_t put = write(file, bytes + written, length - written);
    if (put < 0 && errno != EINTR) return false;
    if (put > 0) written += (size_t)put;
  }
  return true;
}

static int open_console(const char *path) {
  int file = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0600);
  struct stat info;
  if (file < 0 || (fstat(file, &info) == 0 && S_ISREG(info.st_mode))) return file;
  close(file);
  errno = EINVAL;
  return -1;
}

/* Puts a file with the last `kept` bytes in the place of the full one. Returns its descriptor, or -1. */
static int start_over(int full, const char *path, off_t size, off_t kept) {
  char temporary[MAX_PATH_BYTES + 8];
  if (snprintf(temporary, sizeof temporary, "%s.new", path) >= (int)sizeof temporary) return -1;
  unlink(temporary);
  int file = open_console(temporary);
  if (file < 0) return -1;
  bool copied = lseek(full, size - kept, SEEK_SET) >= 0;
  while (copied) {
    ssize_t got = read_some(full, copy, sizeof copy);
    if (got == 0) break;
    copied = got > 0 && write_all(file, copy, (size_t)got);
  }
  if (copied && rename(temporary, path) == 0) return file;
  close(file);
  unlink(temporary);
  return -1;
}

/* The limit, or 0 for what is none. */
static off_t parse_limit(const char *text) {
  char *end;
  errno = 0;
  long long limit = strtoll(text, &end, 10);
  return errno == 0 && *end == '\0' && limit >= MIN_LIMIT && limit <= MAX_LIMIT ? (off_t)limit : 0;
}

static int accept_one(const char *path) {
  if (strlen(path) > MAX_SOCKET_PATH_BYTES) {
    errno = ENAMETOOLONG;
    return -1;
  }
  struct sockaddr_un address = socket_address(path);
  int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  if (listener < 0) return -1;
  int connection = -1;
  mode_t mask = umask(0177);
  if (bind(listener, (const struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 1) == 0) {
    do connection = accept(listener, NULL, NULL);
    while (connection < 0 && errno == EINTR);
  }
  umask(mask);
  close(listener);
  return connection;
}

int keep_console(const char *socket_path, const char *path, const char *limit_text) {
  off_t limit = parse_limit(limit_text);
  if (limit == 0) {
    errno = EINVAL;
    return fail(limit_text);
  }
  int connection = accept_one(socket_path);
  if (connection < 0) return fail(socket_path);
  int file = open_console(path);
  if (file < 0) return fail(path);
  off_t size = lseek(file, 0, SEEK_END);
  for (;;) {
    ssize_t got = read_some(connection, input, limit / 2 < BLOCK_BYTES ? (size_t)limit / 2 : sizeof input);
    if (got <= 0) return 0;
    if (size + got > limit) {
      off_t kept = size < limit / 2 ? size : limit / 2;
      int next = start_over(file, path, size, kept);
      /* A disk that takes nothing loses the console's text, and never the machine. */
      if (next < 0) continue;
      close(file);
      file = next;
      size = kept;
    }
    if (write_all(file, input, (size_t)got)) size += got;
    else size = lseek(file, 0, SEEK_END);
  }
}
