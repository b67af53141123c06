/* When a process started: together with its pid the one thing that a recycled pid does not share. */
#ifndef ZLAYER_HOST_IDENTITY_H
#define ZLAYER_HOST_IDENTITY_H

#include <stdbool.h>
#include <sys/types.h>

enum { START_TIME_BYTES = 80 };

/* Linux: "BOOT-ID/TICKS" (field 22 of /proc/PID/stat). macOS: "SECONDS.MICROSECONDS". False: no such process. */
bool process_start_time(pid_t pid, char start_time[START_TIME_BYTES]);

#endif
