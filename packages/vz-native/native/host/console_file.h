/*
 * The guest's console: a pipe that the machine writes to, and a file that never holds more than `limit` bytes: when it is
 * full, the newer half is kept. Whatever a guest writes, the host's disk stays as it is.
 */
#pragma once
#include <cstdint>
#include <string>

class ConsoleFile {
 public:
  /* Throws std::runtime_error if there can be no such file. */
  ConsoleFile(std::string path, int64_t limit);
  ~ConsoleFile();
  ConsoleFile(const ConsoleFile &) = delete;
  int writer() const { return ends_[1]; }
  int reader() const { return ends_[0]; }
  /* Takes what is in the pipe. */
  void drain();

 private:
  void append(const char *bytes, size_t length);
  bool startOver(int64_t kept);
  std::string path_;
  int64_t limit_;
  int64_t size_ = 0;
  int file_ = -1;
  int ends_[2];
};
