#include "mailbox.h"

#include <unistd.h>

#include <stdexcept>

#include "host_c.h"

Mailbox::Mailbox() {
  if (pipe(ends_) != 0 || !set_private(ends_[0]) || !set_private(ends_[1])) throw std::runtime_error("no pipe");
}

void Mailbox::post(std::function<void()> work) {
  std::lock_guard<std::mutex> lock(mutex_);
  work_.push_back(std::move(work));
  /* A full pipe is no loss: its reader takes everything anyway. */
  if (write(ends_[1], "", 1) < 0) return;
}

void Mailbox::deliver() {
  char discarded[256];
  while (read(ends_[0], discarded, sizeof discarded) > 0) continue;
  std::vector<std::function<void()>> work;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    work.swap(work_);
  }
  for (auto &item : work) item();
}
