/* One program that the host runs, in a process group of its own. */
#ifndef ZLAYER_HOST_CHILD_H
#define ZLAYER_HOST_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "config.h"
#include "failure.h"
#include "identity.h"

/* An open descriptor of the host and the number under which the program finds it. */
struct passed_descriptor {
  int open;
  int number;
};

/* The host's own descriptors lie at or above this when they are passed, clear of every number asked for. */
enum { FIRST_HIGH_DESCRIPTOR = MAX_PASSED_DESCRIPTOR + 1 };

struct child {
  const struct program *program;
  pid_t pid; /* 0: never started */
  char start_time[START_TIME_BYTES];
  off_t log_start; /* what was in the log before */
  bool ended;
  int wait_status; /* as of waitpid, once ended */
};

bool child_start(struct child *child, const struct program *program, const struct passed_descriptor *passed,
                 size_t passed_count, struct failure *failure);
bool child_runs(const struct child *child);
/* To the program and everything in its group. */
void child_kill_group(const struct child *child, int signum);
/* "exited with code 1" or "was killed by signal 9". */
void child_describe_end(const struct child *child, char *text, size_t capacity);

#endif
