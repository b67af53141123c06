// The event loop: everything the agent does is an answer to a descriptor that became ready, or to time that passed.
#ifndef VZAGENT_LOOP_H
#define VZAGENT_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdnoreturn.h>

// Something with a descriptor, embedded as the first member of what it belongs to.
struct source {
  int fd;             // -1 when closed
  uint32_t interest;  // epoll events that are waited for
  void (*ready)(struct source *source, uint32_t events);
};

// Creates the loop. Errno says why it failed.
bool loop_open(void);

// Takes over `fd` and waits for `interest`. False when the kernel refuses; the descriptor is then still open.
bool loop_add(struct source *source, int fd, uint32_t interest, void (*ready)(struct source *, uint32_t));

// Changes what is waited for. With 0 the source is silent: not even a hang-up is reported.
void loop_want(struct source *source, uint32_t interest);

// Closes the descriptor. No event of the source is delivered any more, so its memory may be freed.
void loop_close(struct source *source);

// The same without closing: the descriptor is the caller's.
int loop_release(struct source *source);

// Something that happens once after some time. Zero it before its first use.
struct timer {
  struct timer *before;  // null while it is not running
  struct timer *after;
  uint64_t at;  // milliseconds of the monotonic clock
  void (*expired)(struct timer *timer);
};

// Starts it, or starts it anew.
void timer_start(struct timer *timer, uint64_t milliseconds, void (*expired)(struct timer *));

void timer_stop(struct timer *timer);

static inline bool timer_runs(const struct timer *timer) { return timer->before != 0; }

// Waits for at most so long (-1: as long as it takes) and handles what has happened. False when no descriptor was
// ready.
bool loop_step(int milliseconds);

noreturn void loop_run(void);

#endif
