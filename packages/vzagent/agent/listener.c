#include "listener.h"

#include "channel.h"
#include "channel_door.h"
#include "connection.h"
#include "log.h"
#include "loop.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

enum { BACKLOG = 4096, ANSWER_MILLISECONDS = 50 };

static struct source listener = {.fd = -1};
static struct source announcement = {.fd = -1};
static int listening = -1;
static bool over_tcp;

bool listener_open(const char *channel) {
  over_tcp = channel[0] != '\0';
  if (over_tcp) {
    listening = channel_listen(channel);
    return true;
  }
  listening = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listening < 0) return false;
  struct sockaddr_vm address = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = AGENT_PORT};
  return bind(listening, (struct sockaddr *)&address, sizeof address) == 0 && listen(listening, BACKLOG) == 0;
}

static void accept_ready(struct source *source, uint32_t events) {
  (void)events;
  struct sockaddr_vm peer = {0};
  socklen_t length = sizeof peer;
  int fd = accept4(source->fd, (struct sockaddr *)&peer, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) {
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) loop_want(source, 0);
    return;
  }
  if (over_tcp) return channel_door_knock(fd);
  // vsock knows no namespaces: a workload that got hold of a socket would reach this port. Only the host may.
  if (peer.svm_family != AF_VSOCK || peer.svm_cid != VMADDR_CID_HOST) {
    close(fd);
    return;
  }
  connection_open(fd);
}

bool listener_serve(void) { return loop_add(&listener, listening, EPOLLIN, accept_ready); }

void listener_resume(void) { loop_want(&listener, EPOLLIN); }

static void announced(struct source *source, uint32_t events) {
  (void)events;
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(source->fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
  if (error == 0 && send(source->fd, "r", 1, MSG_NOSIGNAL) != 1) error = errno;
  if (error != 0) log_line("the host does not listen for the agent's readiness: %s", strerror(error));
  loop_close(source);
}

int listener_call_host(uint32_t port) {
  if (over_tcp) return channel_call(port);
  int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  struct sockaddr_vm address = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST, .svm_port = port};
  if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS) {
    close(fd);
    return -1;
  }
  return fd;
}

void listener_announce(uint32_t port) {
  int fd = listener_call_host(port);
  if (fd < 0 || !loop_add(&announcement, fd, EPOLLOUT, announced)) {
    log_line("cannot tell the host that the agent is ready: %m");
    if (fd >= 0) close(fd);
    return;
  }
  // The host answers at once or, when it does not listen, not before the connection times out.
  struct pollfd connected = {.fd = fd, .events = POLLOUT};
  if (poll(&connected, 1, ANSWER_MILLISECONDS) > 0) announced(&announcement, 0);
}
