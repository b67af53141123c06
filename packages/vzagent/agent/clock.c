#include "clock.h"

#include <time.h>

bool clock_set(int64_t unix_secs) {
  struct timespec now = {.tv_sec = unix_secs};
  return clock_settime(CLOCK_REALTIME, &now) == 0;
}

bool clock_set_micros(uint64_t unix_micros) {
  struct timespec now = {.tv_sec = (time_t)(unix_micros / 1000000), .tv_nsec = (long)(unix_micros % 1000000) * 1000};
  return clock_settime(CLOCK_REALTIME, &now) == 0;
}

bool clock_set_from_launch(int64_t unix_secs) {
  struct timespec since_boot = {0};
  clock_gettime(CLOCK_BOOTTIME, &since_boot);
  return clock_set(unix_secs + since_boot.tv_sec);
}
