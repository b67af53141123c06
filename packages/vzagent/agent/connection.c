#include "connection.h"

#include "frame.h"
#include "listener.h"
#include "log.h"
#include "requests.h"
#include "text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { READ_AT_ONCE = 64 * 1024, OUT_FULL = 256 * 1024, ERROR_TEXT = 8 * 1024, MOST_HEAD = 64 };

// All connections together: how many there are, how much of unfinished frames is kept, how much waits for slow hosts
// until each may have but little.
enum {
  MOST_CONNECTIONS = 16384,
  MOST_INPUT = 64 * 1024 * 1024,
  MUCH_OUTPUT = 16 * 1024 * 1024,
  OUT_FULL_THEN = 16 * 1024,
};

static size_t connections, input_kept, output_waiting;

// What has just been read. Only what is left of it after its whole frames needs memory of the connection's own.
static uint8_t arrived[READ_AT_ONCE];

static size_t out_full(void) { return output_waiting > MUCH_OUTPUT ? OUT_FULL_THEN : OUT_FULL; }

bool connection_is_full(const struct connection *connection) { return bytes_length(&connection->out) >= out_full(); }

static void destroy(struct connection *connection) {
  if (connection->role != NULL) connection->role->lost(connection);
  requests_connection_lost(connection);
  loop_close(&connection->source);
  input_kept -= connection->in.capacity;
  output_waiting -= bytes_length(&connection->out);
  bytes_free(&connection->in);
  bytes_free(&connection->out);
  free(connection);
  connections--;
  listener_resume();
}

static void update_interest(struct connection *connection) {
  uint32_t interest = 0;
  bool takes_frames = !connection->closing && !connection->held && !connection_is_full(connection);
  if (bytes_length(&connection->out) > 0 || connection->is_waited_for) interest |= EPOLLOUT;
  if (takes_frames) interest |= EPOLLIN;
  // A broken or finished connection is taken apart in its own event, never under somebody who still uses it.
  if (connection->broken || (connection->closing && interest == 0)) interest = EPOLLIN | EPOLLOUT;
  loop_want(&connection->source, interest);
}

// True when it was full, and is not any more.
static bool flush(struct connection *connection) {
  bool was_full = bytes_length(&connection->out) > out_full() / 2;
  while (bytes_length(&connection->out) > 0) {
    ssize_t sent = send(connection->source.fd, bytes_head(&connection->out), bytes_length(&connection->out),
                        MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) {
      if (errno != EAGAIN) connection->broken = true;
      break;
    }
    bytes_consume(&connection->out, (size_t)sent);
    output_waiting -= (size_t)sent;
  }
  // Memory that a burst needed is not kept for the next one.
  if (bytes_length(&connection->out) == 0) bytes_free(&connection->out);
  return was_full && bytes_length(&connection->out) <= out_full() / 2;
}

static void write_more(struct connection *connection) {
  bool caught_up = flush(connection);
  if (connection->is_waited_for && bytes_length(&connection->out) == 0) {
    connection->is_waited_for = false;
    caught_up = true;
  }
  const struct connection_role *role = connection->role;
  if (caught_up && !connection->broken && role != NULL && role->caught_up != NULL) role->caught_up(connection);
}

void connection_send(struct connection *connection, const struct message *message) {
  if (connection->broken || connection->released) return;
  size_t before = bytes_length(&connection->out);
  if (!message_encode(&connection->out, message)) {
    log_line("a connection is closed: no memory for %s", message_name(message->tag));
    connection->broken = true;
  } else {
    output_waiting += bytes_length(&connection->out) - before;
    if (before == 0) flush(connection);
  }
  update_interest(connection);
}

// Queues what of a head and its data was not sent.
static bool queue_rest(struct connection *connection, const struct bytes *head, struct slice data, size_t sent) {
  struct bytes *out = &connection->out;
  size_t head_sent = sent < bytes_length(head) ? sent : bytes_length(head);
  size_t data_sent = sent - head_sent;
  size_t rest = bytes_length(head) + data.length - sent;
  if (!bytes_reserve(out, rest)) return false;
  output_waiting += rest;
  return bytes_append(out, bytes_head(head) + head_sent, bytes_length(head) - head_sent) &&
         bytes_append(out, data.data + data_sent, data.length - data_sent);
}

static size_t send_now(struct connection *connection, const struct bytes *head, struct slice data) {
  struct iovec parts[] = {{.iov_base = (void *)bytes_head(head), .iov_len = bytes_length(head)},
                          {.iov_base = (void *)data.data, .iov_len = data.length}};
  struct msghdr both = {.msg_iov = parts, .msg_iovlen = 2};
  ssize_t sent;
  do {
    sent = sendmsg(connection->source.fd, &both, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0 && errno != EAGAIN) connection->broken = true;
  return sent < 0 ? 0 : (size_t)sent;
}

// False when nothing of it was sent, and it was not to be queued then.
static bool send_data(struct connection *connection, const struct message *message, struct slice data, bool can_wait) {
  uint8_t space[MOST_HEAD];
  struct bytes head = {.data = space, .capacity = sizeof space};
  if (connection->broken || connection->released || (can_wait && connection_waits(connection))) return false;
  bool is_encoded = message_encode_head(&head, message, data.length);
  size_t sent = !is_encoded || bytes_length(&connection->out) > 0 ? 0 : send_now(connection, &head, data);
  bool is_queued = sent > 0 || !can_wait;
  if (!is_encoded || (is_queued && !connection->broken && !queue_rest(connection, &head, data, sent))) {
    log_line("a connection is closed: no memory for %s", message_name(message->tag));
    connection->broken = true;
  }
  connection->is_waited_for = connection->is_waited_for || !is_queued;
  update_interest(connection);
  return is_queued;
}

void connection_send_data(struct connection *connection, const struct message *message, struct slice data) {
  send_data(connection, message, data, false);
}

bool connection_offer(struct connection *connection, const struct message *message, struct slice data) {
  return send_data(connection, message, data, true);
}

bool connection_waits(struct connection *connection) {
  if (bytes_length(&connection->out) == 0) return false;
  connection->is_waited_for = true;
  return true;
}

void connection_send_done(struct connection *connection) {
  connection_send(connection, &(struct message){.tag = TAG_DONE});
}

void connection_send_fault(struct connection *connection, const struct fault *fault) {
  struct slice text = {.data = (const uint8_t *)fault->text, .length = strlen(fault->text)};
  struct failed_message failed = {.kind = (enum failure_kind)fault->kind, .message = text};
  connection_send(connection, &(struct message){.tag = TAG_FAILED, .failed = failed});
}

void connection_send_error(struct connection *connection, const char *format, ...) {
  char text[ERROR_TEXT];
  va_list values;
  va_start(values, format);
  int length = text_format_list(text, sizeof text, format, values);
  va_end(values);
  if (length < 0) length = 0;
  if ((size_t)length >= sizeof text) length = sizeof text - 1;
  struct slice slice = {.data = (const uint8_t *)text, .length = (size_t)length};
  connection_send(connection, &(struct message){.tag = TAG_ERROR, .error.message = slice});
}

void connection_finish(struct connection *connection) {
  connection->closing = true;
  update_interest(connection);
}

static void refuse(struct connection *connection, const char *reason) {
  connection_send_error(connection, "malformed frame: %s", reason);
  connection_finish(connection);
}

// The frame that is being handled, for `connection_release`. Handling it may let another connection go on with its own.
static struct place {
  struct bytes *stream;
  size_t length;
} current;

static void handle(struct connection *connection, const struct message *message) {
  if (connection->role != NULL && connection->role->take(connection, message)) return;
  request_handle(connection, message);
}

static bool only_greets;
static struct connection *early;  // those that have asked for something meanwhile

void connections_only_greet(void) { only_greets = true; }

void connections_serve(void) {
  only_greets = false;
  while (early != NULL) {
    struct connection *connection = early;
    early = connection->next_early;
    connection_resume(connection);
  }
}

static void take_frames(struct connection *connection, struct bytes *stream) {
  if (connection->released) return;
  while (!connection->closing && !connection->broken && !connection->held && !connection_is_full(connection)) {
    size_t length;
    enum frame_state state = frame_peek(stream, &length);
    if (state == FRAME_PARTIAL) return;
    if (state == FRAME_EMPTY) return refuse(connection, "empty frame");
    if (state == FRAME_TOO_LARGE) return refuse(connection, "longer than 16 MiB");
    if (only_greets && bytes_head(stream)[FRAME_HEADER] != TAG_HELLO) {
      connection->held = true;
      connection->next_early = early;
      early = connection;
      return;
    }
    struct message message;
    const char *fault = message_decode(bytes_head(stream) + FRAME_HEADER, length, &message);
    if (fault != NULL) return refuse(connection, fault);
    struct place outer = current;
    current = (struct place){.stream = stream, .length = FRAME_HEADER + length};
    connection->handling = true;
    handle(connection, &message);
    connection->handling = false;
    current = outer;
    if (connection->released) return;
    bytes_consume(stream, FRAME_HEADER + length);
  }
}

int connection_release(struct connection *connection, struct bytes *rest) {
  size_t length = bytes_length(current.stream) - current.length;
  *rest = (struct bytes){0};
  if (!bytes_append(rest, bytes_head(current.stream) + current.length, length)) return -1;
  connection->released = connection->broken = true;
  return loop_release(&connection->source);
}

// Keeps what is left of `arrived`, or of a large frame so far.
static void keep(struct connection *connection, const struct bytes *stream) {
  size_t before = connection->in.capacity;
  size_t length = bytes_length(stream);
  if (length > 0 && (input_kept + length > MOST_INPUT || !bytes_append(&connection->in, bytes_head(stream), length))) {
    log_line("a connection is closed: no memory for its input");
    connection->broken = true;
  }
  input_kept += connection->in.capacity - before;
}

static void take_kept_frames(struct connection *connection) {
  size_t before = connection->in.capacity;
  take_frames(connection, &connection->in);
  if (bytes_length(&connection->in) == 0) bytes_free(&connection->in);
  input_kept -= before - connection->in.capacity;
}

static void read_more(struct connection *connection) {
  ssize_t got = recv(connection->source.fd, arrived, sizeof arrived, MSG_DONTWAIT);
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) connection->broken = true;
  if (got <= 0) return;
  struct bytes stream = {.data = arrived, .end = (size_t)got, .capacity = sizeof arrived};
  if (bytes_length(&connection->in) == 0) {
    take_frames(connection, &stream);
    if (!connection->broken) keep(connection, &stream);
  } else {
    keep(connection, &stream);
    if (!connection->broken) take_kept_frames(connection);
  }
}

static void ready(struct source *source, uint32_t events) {
  struct connection *connection = (struct connection *)source;
  if ((events & EPOLLOUT) != 0) write_more(connection);
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !connection->closing && !connection->held) {
    // What waited while the host was behind comes before what is new.
    if (bytes_length(&connection->in) > 0) take_kept_frames(connection);
    if (!connection->broken && !connection->closing && !connection->held) read_more(connection);
  } else if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
    connection->broken = true;
  }
  if (!connection->broken && bytes_length(&connection->in) > 0) take_kept_frames(connection);
  if (connection->broken || (connection->closing && bytes_length(&connection->out) == 0)) {
    destroy(connection);
    return;
  }
  update_interest(connection);
}

void connection_open(int fd) {
  struct connection *connection = connections < MOST_CONNECTIONS ? calloc(1, sizeof *connection) : NULL;
  if (connection != NULL && loop_add(&connection->source, fd, EPOLLIN, ready)) {
    connections++;
    return;
  }
  log_line("a connection is refused: there are %zu", connections);
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
  // In the middle of a frame, the next ones follow by themselves.
  if (connection->handling) return;
  if (!connection->broken && bytes_length(&connection->in) > 0) take_kept_frames(connection);
  // Without its descriptor it has no event in which it could be taken apart.
  if (connection->released) return destroy(connection);
  update_interest(connection);
}
