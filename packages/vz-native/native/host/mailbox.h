/* Work that other threads leave for the main loop. */
#pragma once
#include <functional>
#include <mutex>
#include <vector>

class Mailbox {
 public:
  Mailbox();
  /* Readable when there is work. */
  int descriptor() const { return ends_[0]; }
  void post(std::function<void()> work);
  /* Does what is there. */
  void deliver();

 private:
  int ends_[2];
  std::mutex mutex_;
  std::vector<std::function<void()>> work_;
};
