#include "console_thread.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <stdexcept>

ConsoleThread::ConsoleThread(std::string path, int64_t limit) : file_(std::move(path), limit) {
  if (pipe(wake_) != 0) throw std::runtime_error("no pipe for the console");
  for (int end : wake_) fcntl(end, F_SETFD, FD_CLOEXEC);
  thread_ = std::thread([this] { run(); });
}

ConsoleThread::~ConsoleThread() {
  close(wake_[1]);
  thread_.join();
  close(wake_[0]);
}

void ConsoleThread::run() {
  for (;;) {
    pollfd slots[] = {{file_.reader(), POLLIN, 0}, {wake_[0], POLLIN, 0}};
    if (poll(slots, 2, -1) <= 0) continue;
    file_.drain();
    if (slots[1].revents != 0) return;
  }
}
