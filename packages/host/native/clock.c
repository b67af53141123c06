#include "clock.h"

#include <stdio.h>
#include <time.h>

int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void timestamp(char out[TIMESTAMP_BYTES]) {
  struct timespec now;
  struct tm utc;
  clock_gettime(CLOCK_REALTIME, &now);
  gmtime_r(&now.tv_sec, &utc);
  char seconds[TIMESTAMP_BYTES];
  strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &utc);
  snprintf(out, TIMESTAMP_BYTES, "%.19s.%03dZ", seconds, (int)(now.tv_nsec / 1000000) % 1000);
}
