#include "output.h"

#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { FRAME_DATA = 64 * 1024, PIPE_SIZE = 256 * 1024 };

static uint8_t scratch[FRAME_DATA];

static void prepare_pipe(int fd) {
  fcntl(fd, F_SETPIPE_SZ, PIPE_SIZE);  // a smaller pipe is slower, not wrong
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static void output_ready(struct source *source, uint32_t events) {
  (void)events;
  struct output *output = (struct output *)source;
  if (output->connection == NULL || connection_is_full(output->connection)) {
    loop_want(source, 0);
    return;
  }
  ssize_t got = read(source->fd, scratch, sizeof scratch);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    output_close(output);
    output->ended();
    return;
  }
  struct slice data = {.data = scratch, .length = (size_t)got};
  connection_send(output->connection, &(struct message){.tag = output->tag, .data = data});
}

void output_open(struct output *output, int fd, uint8_t tag, void (*ended)(void)) {
  prepare_pipe(fd);
  *output = (struct output){.tag = tag, .ended = ended};
  loop_add(&output->source, fd, 0, output_ready);
}

void output_resume(struct output *output, struct connection *connection) {
  output->connection = connection;
  loop_want(&output->source, connection == NULL ? 0 : EPOLLIN);
}

void output_close(struct output *output) {
  loop_close(&output->source);
  output->connection = NULL;
}

static void let_connection_go(struct input *input) {
  struct connection *connection = input->connection;
  input->connection = NULL;
  if (connection != NULL) connection_resume(connection);
}

static void drain(struct input *input) {
  while (bytes_length(&input->waiting) > 0) {
    ssize_t written = write(input->source.fd, bytes_head(&input->waiting), bytes_length(&input->waiting));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) break;
    if (written < 0) return input_close(input);  // the workload reads no more
    bytes_consume(&input->waiting, (size_t)written);
  }
  bool blocked = bytes_length(&input->waiting) > 0;
  loop_want(&input->source, blocked ? EPOLLOUT : 0);
  if (blocked) return;
  if (input->ending) input_close(input);
  let_connection_go(input);
}

static void input_ready(struct source *source, uint32_t events) {
  (void)events;
  drain((struct input *)source);
}

void input_open(struct input *input, int fd) {
  prepare_pipe(fd);
  *input = (struct input){0};
  loop_add(&input->source, fd, 0, input_ready);
}

bool input_write(struct input *input, struct slice data, struct connection *connection) {
  if (input->source.fd < 0 || input->ending) return false;
  if (!bytes_append(&input->waiting, data.data, data.length)) {
    log_line("stdin is closed: out of memory");
    input_close(input);
    return false;
  }
  drain(input);
  if (bytes_length(&input->waiting) > 0) {
    input->connection = connection;
    connection_hold(connection);
  }
  return true;
}

void input_end(struct input *input) {
  if (input->source.fd < 0) return;
  input->ending = true;
  drain(input);
}

void input_abandon(struct input *input) { input->connection = NULL; }

void input_close(struct input *input) {
  loop_close(&input->source);
  bytes_free(&input->waiting);
  let_connection_go(input);
}
