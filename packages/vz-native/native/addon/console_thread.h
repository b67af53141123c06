/* A console's file that is written by a thread of its own, so that a guest never waits for JavaScript. */
#pragma once
#include <thread>

#include "console_file.h"

class ConsoleThread {
 public:
  /* Throws std::runtime_error if there can be no such file. */
  ConsoleThread(std::string path, int64_t limit);
  /* Takes what is in the pipe. */
  ~ConsoleThread();
  ConsoleThread(const ConsoleThread &) = delete;
  int writer() const { return file_.writer(); }

 private:
  void run();
  ConsoleFile file_;
  int wake_[2];
  std::thread thread_;
};
