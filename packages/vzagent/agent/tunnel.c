#include "tunnel.h"

#include "container.h"
#include "inside.h"
#include "session.h"
#include "spec.h"
#include "text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
  READ_AT_ONCE = 128 * 1024,  // a writer's 64 KiB and what came meanwhile: one frame, and one turn of the loop
  LARGEST_DATAGRAM = 64 * 1024,
  READS_IN_A_ROW = 4,         // before others have their turn
  BUSY_RETRY_MILLIS = 10,     // a Unix socket whose backlog is full says so instead of making us wait
  BUSY_RETRIES = 200,
};

union endpoint {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
  struct sockaddr_un local;
};

struct tunnel {
  struct source source;  // the socket in the guest
  struct timer busy;
  struct connection *connection;
  enum tunnel_protocol protocol;
  union endpoint endpoint;
  socklen_t endpoint_length;
  struct bytes waiting;  // from the host, and not yet taken by the socket; the connection is held meanwhile
  int path;              // of a Unix socket, open with O_PATH; else -1
  unsigned retries;
  bool tries_v6;      // nothing was said about the address: after 127.0.0.1 comes ::1
  bool connected;
  bool host_ended;
  bool socket_ended;
};

static void update_interest(struct tunnel *tunnel) {
  uint32_t interest = 0;
  if (!tunnel->connected || bytes_length(&tunnel->waiting) > 0) interest |= EPOLLOUT;
  if (tunnel->connected && !tunnel->socket_ended && !connection_waits(tunnel->connection)) interest |= EPOLLIN;
  loop_want(&tunnel->source, interest);
}

static void destroy(struct tunnel *tunnel) {
  tunnel->connection->role = NULL;
  tunnel->connection->owner = NULL;
  timer_stop(&tunnel->busy);
  loop_close(&tunnel->source);
  if (tunnel->path >= 0) close(tunnel->path);
  bytes_free(&tunnel->waiting);
  free(tunnel);
}

static void reset(struct tunnel *tunnel, const char *reason) {
  struct connection *connection = tunnel->connection;
  connection_send(connection, &(struct message){.tag = TAG_RESET, .reset.message = text_slice(reason)});
  destroy(tunnel);
  connection_finish(connection);
}

static void refuse(struct tunnel *tunnel, int error) {
  struct connection *connection = tunnel->connection;
  enum failure_kind kind = error == ENOTSOCK ? FAILURE_KIND_INVALID : failure_kind_of(error);
  // The path of a Unix socket whose owner is gone looks the same as a port without a listener.
  connection_send_fault(connection, fault(kind, "cannot connect: %s", strerror(error)));
  destroy(tunnel);
  connection_resume(connection);
}

// Everything has been said both ways: the host closes the connection, or asks for something else on it.
static void finish_if_over(struct tunnel *tunnel) {
  if (!tunnel->host_ended || !tunnel->socket_ended) return update_interest(tunnel);
  struct connection *connection = tunnel->connection;
  destroy(tunnel);
  connection_resume(connection);
}

// The host's end, which is not taken while anything waits.
static void pass_end(struct tunnel *tunnel) {
  // A datagram socket has no ends: the host's is that of the tunnel.
  if (tunnel->protocol == TUNNEL_PROTOCOL_UDP) {
    if (!tunnel->socket_ended) connection_send(tunnel->connection, &(struct message){.tag = TAG_END});
    tunnel->socket_ended = true;
  } else {
    shutdown(tunnel->source.fd, SHUT_WR);
  }
}

// False when the tunnel is gone.
static bool write_waiting(struct tunnel *tunnel) {
  while (bytes_length(&tunnel->waiting) > 0) {
    size_t length = bytes_length(&tunnel->waiting);
    ssize_t sent = send(tunnel->source.fd, bytes_head(&tunnel->waiting), length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) return true;
    if (tunnel->protocol == TUNNEL_PROTOCOL_UDP) {
      // Datagrams may get lost: one that nobody took, or that is too large, is.
      sent = (ssize_t)length;
    } else if (sent < 0) {
      reset(tunnel, strerror(errno));
      return false;
    }
    bytes_consume(&tunnel->waiting, (size_t)sent);
  }
  return true;
}

static void read_socket(struct tunnel *tunnel) {
  static uint8_t buffer[READ_AT_ONCE];
  bool is_datagram = tunnel->protocol == TUNNEL_PROTOCOL_UDP;
  bool is_drained = false;
  for (int i = 0; i < READS_IN_A_ROW && !is_drained && !connection_waits(tunnel->connection); i++) {
    ssize_t got = recv(tunnel->source.fd, buffer, is_datagram ? LARGEST_DATAGRAM : READ_AT_ONCE, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) break;
    if (got < 0 && is_datagram) continue;  // the error of an earlier datagram
    if (got < 0) return reset(tunnel, strerror(errno));
    if (got == 0 && !is_datagram) {
      tunnel->socket_ended = true;
      connection_send(tunnel->connection, &(struct message){.tag = TAG_END});
      break;
    }
    struct slice data = {.data = buffer, .length = (size_t)got};
    connection_send_data(tunnel->connection, &(struct message){.tag = TAG_DATA}, data);
    // What comes now, or the end, is another event.
    is_drained = !is_datagram && got < READ_AT_ONCE;
  }
  finish_if_over(tunnel);
}

static bool open_and_connect(struct tunnel *tunnel);

static void retry_busy(struct timer *timer) {
  struct tunnel *tunnel = (struct tunnel *)((char *)timer - offsetof(struct tunnel, busy));
  if (!open_and_connect(tunnel)) refuse(tunnel, errno);
}

static void connected(struct tunnel *tunnel) {
  struct connection *connection = tunnel->connection;
  tunnel->connected = true;
  connection_send_done(connection);
  update_interest(tunnel);
  // Taking the frames that waited may end the tunnel.
  connection_resume(connection);
}

static bool try_v6(struct tunnel *tunnel) {
  if (!tunnel->tries_v6) return false;
  in_port_t port = tunnel->endpoint.v4.sin_port;
  tunnel->tries_v6 = false;
  tunnel->endpoint.v6 = (struct sockaddr_in6){
      .sin6_family = AF_INET6, .sin6_port = port, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  tunnel->endpoint_length = sizeof tunnel->endpoint.v6;
  return open_and_connect(tunnel);
}

static void ready(struct source *source, uint32_t events) {
  struct tunnel *tunnel = (struct tunnel *)source;
  if (!tunnel->connected) {
    int error = 0;
    socklen_t length = sizeof error;
    if (getsockopt(source->fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
    if (error == 0) return connected(tunnel);
    if (!try_v6(tunnel)) refuse(tunnel, error);
    return;
  }
  if ((events & EPOLLOUT) != 0) {
    bool was_waiting = bytes_length(&tunnel->waiting) > 0;
    if (!write_waiting(tunnel)) return;
    struct connection *connection = tunnel->connection;
    if (was_waiting && bytes_length(&tunnel->waiting) == 0) {
      // What comes next may end the tunnel; the rest of this event is then nobody's.
      update_interest(tunnel);
      return connection_resume(connection);
    }
  }
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !tunnel->socket_ended) return read_socket(tunnel);
  if ((events & (EPOLLHUP | EPOLLERR)) != 0) return reset(tunnel, "the connection is broken");
  finish_if_over(tunnel);
}

// To loopback a connection is made at once, which only a second call tells.
static int connect_now(const struct tunnel *tunnel, int fd) {
  const int yes = 1;
  // Whoever writes in small pieces has chosen to, on the host: nothing here waits to put them together.
  if (tunnel->protocol == TUNNEL_PROTOCOL_TCP) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  int result = connect(fd, &tunnel->endpoint.any, tunnel->endpoint_length);
  if (result == 0 || errno != EINPROGRESS) return result;
  return connect(fd, &tunnel->endpoint.any, tunnel->endpoint_length);
}

// False with errno when it cannot succeed.
static bool open_and_connect(struct tunnel *tunnel) {
  int type = (tunnel->protocol == TUNNEL_PROTOCOL_UDP ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK;
  loop_close(&tunnel->source);
  int fd = socket(tunnel->endpoint.any.sa_family, type, 0);
  if (fd < 0) return false;
  bool is_connected = connect_now(tunnel, fd) == 0;
  if (!is_connected && errno != EALREADY) {
    int error = errno;
    bool is_busy = error == EAGAIN && tunnel->path >= 0 && tunnel->retries++ < BUSY_RETRIES;
    close(fd);
    errno = error;
    if (!is_busy) return error == ECONNREFUSED && try_v6(tunnel);
    timer_start(&tunnel->busy, BUSY_RETRY_MILLIS, retry_busy);
    return true;
  }
  if (loop_add(&tunnel->source, fd, is_connected ? EPOLLIN : EPOLLOUT, ready)) {
    if (is_connected) connected(tunnel);
    return true;
  }
  close(fd);
  tunnel->source.fd = -1;
  return false;
}

// What the socket takes at once is not copied.
static bool take_data(struct tunnel *tunnel, struct slice data) {
  bool is_first = bytes_length(&tunnel->waiting) == 0 && tunnel->protocol != TUNNEL_PROTOCOL_UDP;
  ssize_t sent = is_first ? send(tunnel->source.fd, data.data, data.length, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
  size_t taken = sent > 0 ? (size_t)sent : 0;
  return bytes_append(&tunnel->waiting, data.data + taken, data.length - taken);
}

static bool take(struct connection *connection, const struct message *message) {
  struct tunnel *tunnel = connection->owner;
  switch (message->tag) {
    case TAG_DATA:
      if (tunnel->host_ended) {
        reset(tunnel, "data after the end");
      } else if (message->data.length == 0 && tunnel->protocol == TUNNEL_PROTOCOL_UDP) {
        send(tunnel->source.fd, "", 0, MSG_NOSIGNAL | MSG_DONTWAIT);
      } else if (!take_data(tunnel, message->data)) {
        reset(tunnel, "out of memory");
      } else if (write_waiting(tunnel) && bytes_length(&tunnel->waiting) > 0) {
        update_interest(tunnel);
        connection_hold(connection);
      }
      return true;
    case TAG_END:
      tunnel->host_ended = true;
      pass_end(tunnel);
      finish_if_over(tunnel);
      return true;
    case TAG_RESET: {
      struct linger at_once = {.l_onoff = 1};
      setsockopt(tunnel->source.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
      destroy(tunnel);
      connection_finish(connection);
      return true;
    }
    default: return false;
  }
}

static void caught_up(struct connection *connection) { update_interest(connection->owner); }

static void lost(struct connection *connection) {
  struct tunnel *tunnel = connection->owner;
  // A lost connection is a reset, unless everything from the host had arrived.
  struct linger at_once = {.l_onoff = 1};
  if (!tunnel->host_ended) setsockopt(tunnel->source.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  destroy(tunnel);
}

static const struct connection_role role = {.take = take, .caught_up = caught_up, .lost = lost};

static const struct fault *find_unix(struct tunnel *tunnel, const char *path) {
  int root = container_root_folder();
  if (root < 0) return fault(FAILURE_KIND_CONFLICT, "no container has been started");
  tunnel->path = inside_open(root, path, O_PATH);
  if (tunnel->path < 0) return fault_errno("cannot connect to %s", path);
  tunnel->endpoint.local.sun_family = AF_UNIX;
  char *name = tunnel->endpoint.local.sun_path;
  text_format(name, sizeof tunnel->endpoint.local.sun_path, "/proc/self/fd/%d", tunnel->path);
  tunnel->endpoint_length = sizeof tunnel->endpoint.local;
  return NULL;
}

static const struct fault *find_ip(struct tunnel *tunnel, const char *address, uint16_t port) {
  if (port == 0) return fault(FAILURE_KIND_INVALID, "port 0 cannot be connected to");
  tunnel->tries_v6 = address[0] == '\0' && tunnel->protocol == TUNNEL_PROTOCOL_TCP;
  if (inet_pton(AF_INET, address[0] == '\0' ? "127.0.0.1" : address, &tunnel->endpoint.v4.sin_addr) == 1) {
    tunnel->endpoint.v4.sin_family = AF_INET;
    tunnel->endpoint.v4.sin_port = htons(port);
    tunnel->endpoint_length = sizeof tunnel->endpoint.v4;
    return NULL;
  }
  if (inet_pton(AF_INET6, address, &tunnel->endpoint.v6.sin6_addr) != 1) {
    return fault(FAILURE_KIND_INVALID, "\"%s\" is no IP address", address);
  }
  tunnel->endpoint.v6.sin6_family = AF_INET6;
  tunnel->endpoint.v6.sin6_port = htons(port);
  tunnel->endpoint_length = sizeof tunnel->endpoint.v6;
  return NULL;
}

static const struct fault *find(struct tunnel *tunnel, const struct connect_message *message) {
  char address[PATH_MAX];
  if (message->address.length >= sizeof address || !slice_is_text(message->address)) {
    return fault(FAILURE_KIND_INVALID, "the address is longer than %d bytes or has a NUL byte", PATH_MAX - 1);
  }
  if (message->address.length > 0) memcpy(address, message->address.data, message->address.length);
  address[message->address.length] = '\0';
  if (message->protocol == TUNNEL_PROTOCOL_UNIX) return find_unix(tunnel, address);
  return find_ip(tunnel, address, message->port);
}

void tunnel_connect(struct connection *connection, const struct connect_message *message) {
  if (connection->role != NULL && !session_leave(connection)) {
    return connection_send_fault(connection, fault(FAILURE_KIND_CONFLICT, "this connection has a part already"));
  }
  struct tunnel *tunnel = calloc(1, sizeof *tunnel);
  if (tunnel == NULL) return connection_send_fault(connection, fault(FAILURE_KIND_EXHAUSTED, "out of memory"));
  tunnel->source.fd = tunnel->path = -1;
  tunnel->connection = connection;
  tunnel->protocol = message->protocol;
  connection->role = &role;
  connection->owner = tunnel;
  const struct fault *failed = find(tunnel, message);
  if (failed != NULL) {
    connection_send_fault(connection, failed);
    return destroy(tunnel);
  }
  if (!open_and_connect(tunnel)) return refuse(tunnel, errno);
  if (!tunnel->connected) connection_hold(connection);
}
