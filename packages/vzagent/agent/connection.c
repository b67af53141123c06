#include "connection.h"

#include "frame.h"
#include "listener.h"
#include "log.h"
#include "requests.h"
#include "workload.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_AT_ONCE = 64 * 1024, OUT_FULL = 256 * 1024, OUT_CAUGHT_UP = OUT_FULL / 2, ERROR_TEXT = 8 * 1024 };

bool connection_is_full(const struct connection *connection) { return bytes_length(&connection->out) >= OUT_FULL; }

static void destroy(struct connection *connection) {
  workload_connection_lost(connection);
  loop_close(&connection->source);
  bytes_free(&connection->in);
  bytes_free(&connection->out);
  free(connection);
  listener_resume();
}

static void update_interest(struct connection *connection) {
  uint32_t interest = 0;
  bool takes_frames = !connection->closing && !connection->held && !connection_is_full(connection);
  if (bytes_length(&connection->out) > 0) interest |= EPOLLOUT;
  if (takes_frames) interest |= EPOLLIN;
  // A broken or finished connection is taken apart in its own event, never under somebody who still uses it.
  if (connection->broken || (connection->closing && interest == 0)) interest = EPOLLIN | EPOLLOUT;
  loop_want(&connection->source, interest);
}

static void flush(struct connection *connection) {
  bool was_full = bytes_length(&connection->out) > OUT_CAUGHT_UP;
  while (bytes_length(&connection->out) > 0) {
    ssize_t sent = send(connection->source.fd, bytes_head(&connection->out), bytes_length(&connection->out),
                        MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) {
      if (errno != EAGAIN) connection->broken = true;
      break;
    }
    bytes_consume(&connection->out, (size_t)sent);
  }
  if (was_full && bytes_length(&connection->out) <= OUT_CAUGHT_UP) workload_host_caught_up(connection);
}

void connection_send(struct connection *connection, const struct message *message) {
  if (connection->broken) return;
  bool idle = bytes_length(&connection->out) == 0;
  if (!message_encode(&connection->out, message)) {
    log_line("a connection is closed: out of memory for its output");
    connection->broken = true;
  } else if (idle) {
    flush(connection);
  }
  update_interest(connection);
}

void connection_send_error(struct connection *connection, const char *format, ...) {
  char text[ERROR_TEXT];
  va_list values;
  va_start(values, format);
  int length = vsnprintf(text, sizeof text, format, values);
  va_end(values);
  if (length < 0) length = 0;
  if ((size_t)length >= sizeof text) length = sizeof text - 1;
  struct slice slice = {.data = (const uint8_t *)text, .length = (size_t)length};
  connection_send(connection, &(struct message){.tag = TAG_ERROR, .data = slice});
}

static void refuse(struct connection *connection, const char *reason) {
  connection_send_error(connection, "malformed frame: %s", reason);
  connection->closing = true;
}

static void take_frames(struct connection *connection) {
  while (!connection->closing && !connection->broken && !connection->held && !connection_is_full(connection)) {
    size_t length;
    enum frame_state state = frame_peek(&connection->in, &length);
    if (state == FRAME_PARTIAL) return;
    if (state == FRAME_EMPTY) return refuse(connection, "empty frame");
    if (state == FRAME_TOO_LARGE) return refuse(connection, "longer than 16 MiB");
    struct message message;
    const char *fault = message_decode(bytes_head(&connection->in) + FRAME_HEADER, length, &message);
    if (fault != NULL) return refuse(connection, fault);
    request_handle(connection, &message);
    bytes_consume(&connection->in, FRAME_HEADER + length);
  }
}

static void read_more(struct connection *connection) {
  if (!bytes_reserve(&connection->in, READ_AT_ONCE)) {
    log_line("a connection is closed: out of memory for its input");
    connection->broken = true;
    return;
  }
  struct bytes *in = &connection->in;
  ssize_t got = recv(connection->source.fd, in->data + in->end, in->capacity - in->end, MSG_DONTWAIT);
  if (got > 0) in->end += (size_t)got;
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) connection->broken = true;
}

static void ready(struct source *source, uint32_t events) {
  struct connection *connection = (struct connection *)source;
  if ((events & EPOLLOUT) != 0) flush(connection);
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !connection->closing && !connection->held) {
    read_more(connection);
  } else if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
    connection->broken = true;
  }
  take_frames(connection);
  if (connection->broken || (connection->closing && bytes_length(&connection->out) == 0)) {
    destroy(connection);
    return;
  }
  update_interest(connection);
}

void connection_open(int fd) {
  struct connection *connection = calloc(1, sizeof *connection);
  if (connection != NULL && loop_add(&connection->source, fd, EPOLLIN, ready)) return;
  log_line("a connection is refused: %s", strerror(errno));
  free(connection);
  close(fd);
}

void connection_hold(struct connection *connection) {
  connection->held = true;
  update_interest(connection);
}

void connection_resume(struct connection *connection) {
  if (!connection->held) return;
  connection->held = false;
  take_frames(connection);
  update_interest(connection);
}
