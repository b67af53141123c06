// The guest's wall clock.
#ifndef VZAGENT_CLOCK_H
#define VZAGENT_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

// What a clock of the kernel (CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME) shows, in microseconds; 0 before 1970.
uint64_t clock_micros(int clock);

// Sets the clock to Unix seconds. Errno says why it failed.
bool clock_set(int64_t unix_secs);

// The same with microseconds.
bool clock_set_micros(uint64_t unix_micros);

// Sets the clock from the time of launch, to which the time since the kernel's start is added.
bool clock_set_from_launch(int64_t unix_secs);

#endif
