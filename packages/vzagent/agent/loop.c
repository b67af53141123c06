#include "loop.h"

#include "clock.h"
#include "log.h"

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64 };

static int epoll = -1;
static struct epoll_event batch[BATCH];
static int batch_length;

bool loop_open(void) {
  epoll = epoll_create1(EPOLL_CLOEXEC);
  return epoll >= 0;
}

static bool control(int operation, struct source *source, uint32_t interest) {
  struct epoll_event event = {.events = interest, .data.ptr = source};
  return epoll_ctl(epoll, operation, source->fd, &event) == 0;
}

bool loop_add(struct source *source, int fd, uint32_t interest, void (*ready)(struct source *, uint32_t)) {
  *source = (struct source){.fd = fd, .interest = interest, .ready = ready};
  if (interest == 0 || control(EPOLL_CTL_ADD, source, interest)) return true;
  source->fd = -1;
  return false;
}

void loop_want(struct source *source, uint32_t interest) {
  if (source->fd < 0 || interest == source->interest) return;
  int operation = source->interest == 0 ? EPOLL_CTL_ADD : interest == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
  if (!control(operation, source, interest)) log_fatal("epoll_ctl: %m");
  source->interest = interest;
}

int loop_release(struct source *source) {
  int fd = source->fd;
  if (fd < 0) return fd;
  loop_want(source, 0);
  source->fd = -1;
  for (int i = 0; i < batch_length; i++) {
    if (batch[i].data.ptr == source) batch[i].data.ptr = NULL;
  }
  return fd;
}

void loop_close(struct source *source) {
  int fd = loop_release(source);
  if (fd >= 0) close(fd);
}

// A ring in the order of time; this one is both ends of it.
static struct timer timers = {.before = &timers, .after = &timers};

static uint64_t now(void) { return clock_micros(CLOCK_MONOTONIC) / 1000; }

// The time after the last events: looking at the clock is a system call.
static uint64_t last_seen;

void timer_stop(struct timer *timer) {
  if (!timer_runs(timer)) return;
  timer->before->after = timer->after;
  timer->after->before = timer->before;
  timer->before = timer->after = NULL;
}

void timer_start(struct timer *timer, uint64_t milliseconds, void (*expired)(struct timer *)) {
  timer_stop(timer);
  last_seen = now();
  timer->at = last_seen + milliseconds;
  timer->expired = expired;
  // Most timers are short and of the same length, so the place is found near the end.
  struct timer *before = timers.before;
  while (before != &timers && before->at > timer->at) before = before->before;
  timer->before = before;
  timer->after = before->after;
  before->after->before = timer;
  before->after = timer;
}

// Milliseconds until the first timer; -1 when there is none.
static int until_timer(void) {
  if (timers.after == &timers) return -1;
  if (timers.after->at <= last_seen) return 0;
  uint64_t left = timers.after->at - last_seen;
  return left > INT_MAX ? INT_MAX : (int)left;
}

static void run_timers(void) {
  if (timers.after == &timers) return;
  last_seen = now();
  while (timers.after != &timers && timers.after->at <= last_seen) {
    struct timer *timer = timers.after;
    timer_stop(timer);
    timer->expired(timer);
  }
}

bool loop_step(int milliseconds) {
  int until = until_timer();
  if (until < 0 || (milliseconds >= 0 && milliseconds < until)) until = milliseconds;
  batch_length = epoll_wait(epoll, batch, BATCH, until);
  if (batch_length < 0 && errno != EINTR) log_fatal("epoll_wait: %m");
  bool happened = batch_length > 0;
  for (int i = 0; i < batch_length; i++) {
    struct source *source = batch[i].data.ptr;
    if (source != NULL) source->ready(source, batch[i].events);
  }
  batch_length = 0;
  run_timers();
  return happened;
}

void loop_run(void) {
  for (;;) loop_step(-1);
}
