#include "console_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <stdexcept>

#include "host_c.h"

static int openConsole(const std::string &path) {
  int flags = O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;
  int file = open(path.c_str(), flags, 0600);
  struct stat info;
  if (file < 0 || (fstat(file, &info) == 0 && S_ISREG(info.st_mode))) return file;
  close(file);
  errno = EINVAL;
  return -1;
}

static bool writeAll(int file, const char *bytes, size_t length) {
  for (size_t written = 0; written < length;) {
    ssize_t put = write(file, bytes + written, length - written);
    if (put < 0 && errno != EINTR) return false;
    if (put > 0) written += (size_t)put;
  }
  return true;
}

ConsoleFile::ConsoleFile(std::string path, int64_t limit) : path_(std::move(path)), limit_(limit) {
  file_ = openConsole(path_);
  if (file_ < 0) throw std::runtime_error("consoleFile: " + path_ + ": " + strerror(errno));
  size_ = lseek(file_, 0, SEEK_END);
  /* Its writer belongs to the framework, which may block on it. */
  if (pipe(ends_) != 0 || !set_private(ends_[0]) || fcntl(ends_[1], F_SETFD, FD_CLOEXEC) != 0) {
    throw std::runtime_error("no pipe for the console");
  }
}

ConsoleFile::~ConsoleFile() {
  close(file_);
  close(ends_[0]);
  close(ends_[1]);
}

/* Puts a file with the last `kept` bytes in the place of the full one. */
bool ConsoleFile::startOver(int64_t kept) {
  std::string temporary = path_ + ".new";
  char block[16 * 1024];
  unlink(temporary.c_str());
  int file = openConsole(temporary);
  bool copied = file >= 0;
  for (int64_t at = size_ - kept; copied && at < size_;) {
    ssize_t got = pread(file_, block, sizeof block, at);
    if (got < 0 && errno == EINTR) continue;
    copied = got > 0 && writeAll(file, block, (size_t)got);
    at += got;
  }
  if (copied && rename(temporary.c_str(), path_.c_str()) == 0) {
    close(file_);
    file_ = file;
    size_ = kept;
    return true;
  }
  if (file >= 0) close(file);
  unlink(temporary.c_str());
  return false;
}

void ConsoleFile::append(const char *bytes, size_t length) {
  int64_t half = limit_ / 2;
  /* A disk that takes nothing loses the console's text, and never the machine. */
  if (size_ + (int64_t)length > limit_ && !startOver(size_ < half ? size_ : half)) return;
  if (writeAll(file_, bytes, length)) size_ += (int64_t)length;
  else size_ = lseek(file_, 0, SEEK_END);
}

void ConsoleFile::drain() {
  char block[16 * 1024];
  size_t most = limit_ / 2 < (int64_t)sizeof block ? (size_t)limit_ / 2 : sizeof block;
  for (;;) {
    ssize_t got = read(ends_[0], block, most);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return;
    append(block, (size_t)got);
  }
}
