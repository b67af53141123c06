#include "output.h"

#include "clock.h"
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
  READ_AT_ONCE = 64 * 1024,
  PIPE_SIZE = 256 * 1024,
  BULK = 2048,          // who writes so much at once is not somebody who waits for each line to be seen
  REST_MILLISECONDS = 2,
};

static uint8_t scratch[READ_AT_ONCE];

void output_prepare(int fd) {
  fcntl(fd, F_SETPIPE_SZ, PIPE_SIZE);  // a smaller pipe is slower, not wrong
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static void rested(struct timer *timer) {
  struct output *output = (struct output *)((char *)timer - offsetof(struct output, rest));
  loop_want(&output->source, EPOLLIN);
}

static void end(struct output *output) {
  output_close(output);
  process_output_ended(output->process);
}

// Reads into the spool, at best without a copy in between.
static ssize_t read_some(struct output *output, size_t room) {
  struct spool *spool = &output->process->spool;
  struct iovec parts[2];
  int count = spool_space(spool, room, parts);
  ssize_t got = count > 0 ? readv(output->source.fd, parts, count) : read(output->source.fd, scratch, room);
  if (got <= 0) return got;
  uint64_t now = clock_micros(CLOCK_REALTIME);
  if (count > 0) {
    spool_added(spool, output->stream, now, (size_t)got);
  } else {
    spool_add(spool, output->stream, now, (struct slice){.data = scratch, .length = (size_t)got});
  }
  return got;
}

// Reads once. False when there is nothing to be read now, or no more at all.
static bool take(struct output *output) {
  size_t room = spool_room(&output->process->spool, output->stream);
  if (room == 0) {
    loop_want(&output->source, 0);
    return false;
  }
  if (room > sizeof scratch) room = sizeof scratch;
  if (output->is_last && room > output->left) room = output->left;
  ssize_t got = room == 0 ? 0 : read_some(output, room);
  if (got < 0 && errno == EINTR) return true;
  if (got < 0 && errno == EAGAIN && !output->is_last) return false;
  // A terminal whose programs are all gone gives EIO.
  if (got <= 0) {
    end(output);
    return false;
  }
  if (output->is_last) output->left -= (size_t)got;
  // A program that writes much is let to fill its pipe, so that little reads do not become little frames.
  if (got >= BULK && (size_t)got < room && !output->is_last) {
    loop_want(&output->source, 0);
    timer_start(&output->rest, REST_MILLISECONDS, rested);
  }
  process_output_came(output->process);
  return output->source.fd >= 0;
}

static void ready(struct source *source, uint32_t events) {
  (void)events;
  take((struct output *)source);
}

void output_open(struct output *output, struct process *process, int fd, uint8_t stream) {
  *output = (struct output){.process = process, .stream = stream};
  loop_add(&output->source, fd, 0, ready);
  loop_want(&output->source, EPOLLIN);
}

void output_resume(struct output *output) {
  if (output->source.fd < 0 || output->source.interest != 0 || timer_runs(&output->rest)) return;
  if (!output->is_last) return loop_want(&output->source, EPOLLIN);
  while (output->source.fd >= 0 && take(output)) continue;
}

void output_finish(struct output *output) {
  if (output->source.fd < 0) return;
  timer_stop(&output->rest);
  output->is_last = true;
  output->left = PIPE_SIZE;
  loop_want(&output->source, 0);
  output_resume(output);
}

void output_close(struct output *output) {
  timer_stop(&output->rest);
  loop_close(&output->source);
}
