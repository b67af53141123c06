#include "clock.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// The bare call: the library's way without the kernel is as long as all the rest of a small file.
uint64_t clock_micros(int clock) {
  struct timespec time = {0};
  syscall(SYS_clock_gettime, clock, &time);
  return time.tv_sec < 0 ? 0 : (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

bool clock_set(int64_t unix_secs) {
  struct timespec now = {.tv_sec = unix_secs};
  return clock_settime(CLOCK_REALTIME, &now) == 0;
}

bool clock_set_micros(uint64_t unix_micros) {
  struct timespec now = {.tv_sec = (time_t)(unix_micros / 1000000), .tv_nsec = (long)(unix_micros % 1000000) * 1000};
  return clock_settime(CLOCK_REALTIME, &now) == 0;
}

bool clock_set_from_launch(int64_t unix_secs) {
  return clock_set(unix_secs + (int64_t)(clock_micros(CLOCK_BOOTTIME) / 1000000));
}
