#include "input.h"

#include "process.h"
#include "terminal.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

static void finish(struct input *input) {
  if (!input->is_terminal) return input_close(input);
  char end = terminal_end_of_input(input->source.fd);
  input->ending = false;
  // With everything before it written, one more byte finds its place.
  if (end != 0 && write(input->source.fd, &end, 1) != 1) return;
}

static void drain(struct input *input) {
  size_t taken = 0;
  while (bytes_length(&input->waiting) > 0) {
    ssize_t written = write(input->source.fd, bytes_head(&input->waiting), bytes_length(&input->waiting));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) break;
    // The program reads no more. What its host goes on sending is taken all the same.
    if (written < 0) {
      taken += bytes_length(&input->waiting);
      input_close(input);
      break;
    }
    bytes_consume(&input->waiting, (size_t)written);
    taken += (size_t)written;
  }
  bool is_blocked = bytes_length(&input->waiting) > 0;
  loop_want(&input->source, is_blocked ? EPOLLOUT : 0);
  if (!is_blocked && input->ending && input->source.fd >= 0) finish(input);
  if (taken > 0) process_input_taken(input->process, taken);
}

static void input_ready(struct source *source, uint32_t events) {
  (void)events;
  drain((struct input *)source);
}

void input_open(struct input *input, struct process *process, int fd, bool is_terminal) {
  *input = (struct input){.process = process, .is_terminal = is_terminal};
  loop_add(&input->source, fd, 0, input_ready);
}

bool input_write(struct input *input, struct slice data) {
  if (input->source.fd < 0 || input->ending) {
    process_input_taken(input->process, data.length);
    return true;
  }
  if (!bytes_append(&input->waiting, data.data, data.length)) return false;
  drain(input);
  return true;
}

void input_end(struct input *input) {
  if (input->source.fd < 0) return;
  input->ending = true;
  drain(input);
}

uint32_t input_window(const struct input *input) {
  if (input->source.fd < 0 || bytes_length(&input->waiting) > STDIN_WINDOW) return 0;
  return STDIN_WINDOW - (uint32_t)bytes_length(&input->waiting);
}

void input_close(struct input *input) {
  loop_close(&input->source);
  bytes_free(&input->waiting);
}
