#include "forward.h"

#include "log.h"
#include "text.h"

#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
  READ_AT_ONCE = 64 * 1024,
  // Not every virtual socket device tells the host that the guest has ended its direction. A host that stays silent for
  // so long after the end has not been told.
  SILENCE_MILLIS = 10 * 1000,
};

struct forward;

// One end, and what is on its way to it.
struct side {
  struct source source;
  struct forward *forward;
  struct side *other;
  struct bytes waiting;
  bool read_ended;  // no more comes from it
};

struct forward {
  struct side host;
  struct side socket;
  struct timer silence;
  uint16_t port;
  bool connected;
};

static void destroy(struct forward *forward) {
  timer_stop(&forward->silence);
  loop_close(&forward->host.source);
  loop_close(&forward->socket.source);
  bytes_free(&forward->host.waiting);
  bytes_free(&forward->socket.waiting);
  free(forward);
}

static void want(struct side *side) {
  bool reads = side->forward->connected && !side->read_ended && bytes_length(&side->other->waiting) == 0;
  loop_want(&side->source, (reads ? EPOLLIN : 0) | (bytes_length(&side->waiting) > 0 ? EPOLLOUT : 0));
}

static void silent(struct timer *timer) {
  destroy((struct forward *)((char *)timer - offsetof(struct forward, silence)));
}

// Writes what waits for this side, and the end behind it. False when it is broken.
static bool write_waiting(struct side *side) {
  while (bytes_length(&side->waiting) > 0) {
    ssize_t sent = send(side->source.fd, bytes_head(&side->waiting), bytes_length(&side->waiting),
                        MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return errno == EAGAIN;
    bytes_consume(&side->waiting, (size_t)sent);
  }
  if (side->other->read_ended) shutdown(side->source.fd, SHUT_WR);
  return true;
}

static bool read_some(struct side *side) {
  struct bytes *to = &side->other->waiting;
  if (!bytes_reserve(to, READ_AT_ONCE)) return false;
  ssize_t got = recv(side->source.fd, to->data + to->end, READ_AT_ONCE, MSG_DONTWAIT);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  if (got == 0) side->read_ended = true;
  to->end += (size_t)got;
  return write_waiting(side->other);
}

static void ready(struct source *source, uint32_t events) {
  struct side *side = (struct side *)source;
  struct forward *forward = side->forward;
  bool fine = (events & EPOLLOUT) == 0 || write_waiting(side);
  if (fine && (side->source.interest & EPOLLIN) != 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
    fine = read_some(side);
  } else if ((events & EPOLLERR) != 0) {
    fine = false;
  } else if ((events & EPOLLHUP) != 0 && (side->read_ended || bytes_length(&side->waiting) > 0)) {
    fine = false;
  }
  bool over = forward->host.read_ended && forward->socket.read_ended && bytes_length(&forward->host.waiting) == 0 &&
              bytes_length(&forward->socket.waiting) == 0;
  if (!fine || over) return destroy(forward);
  if (forward->socket.read_ended && bytes_length(&forward->host.waiting) == 0) {
    timer_start(&forward->silence, SILENCE_MILLIS, silent);
  }
  want(&forward->host);
  want(&forward->socket);
}

static void refuse(struct forward *forward, int error) {
  char text[128];
  int length = text_format(text, sizeof text, "Forward: cannot connect to 127.0.0.1:%u: %s", forward->port,
                           strerror(error));
  struct slice slice = {.data = (const uint8_t *)text, .length = (size_t)length};
  bytes_free(&forward->host.waiting);
  if (message_encode(&forward->host.waiting, &(struct message){.tag = TAG_ERROR, .error.message = slice})) {
    write_waiting(&forward->host);
  }
  destroy(forward);
}

static void connected(struct source *source, uint32_t events) {
  (void)events;
  struct forward *forward = ((struct side *)source)->forward;
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(source->fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
  if (error != 0) return refuse(forward, error);
  forward->connected = true;
  source->ready = ready;
  if (!write_waiting(&forward->socket)) return destroy(forward);
  want(&forward->host);
  want(&forward->socket);
}

static bool begin(struct forward *forward) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(forward->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return false;
  if ((connect(fd, (struct sockaddr *)&address, sizeof address) == 0 || errno == EINPROGRESS) &&
      loop_add(&forward->socket.source, fd, EPOLLOUT, connected)) {
    return true;
  }
  int error = errno;
  close(fd);
  forward->socket.source.fd = -1;
  errno = error;
  return false;
}

void forward_connect(struct connection *connection, uint16_t port) {
  if (connection->role != NULL) return connection_send_error(connection, "Forward: this connection has a part already");
  struct forward *forward = calloc(1, sizeof *forward);
  if (forward == NULL) return connection_send_error(connection, "Forward: out of memory");
  forward->port = port;
  forward->host.forward = forward->socket.forward = forward;
  forward->host.other = &forward->socket;
  forward->socket.other = &forward->host;
  forward->host.source.fd = forward->socket.source.fd = -1;
  int fd = connection_release(connection, &forward->socket.waiting);
  // Nothing is asked of the host's end before the other one is there.
  if (!loop_add(&forward->host.source, fd, 0, ready)) {
    log_line("Forward: %m");
    close(fd);
    return destroy(forward);
  }
  if (!begin(forward)) refuse(forward, errno);
}
