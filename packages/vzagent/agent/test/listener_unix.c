#include "listener_unix.h"

#include "../connection.h"
#include "../listener.h"
#include "../loop.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4096 };

static struct source listener = {.fd = -1};
static int listening = -1;

bool listener_unix_open(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) return false;
  strcpy(address.sun_path, path);
  listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  return listening >= 0 && bind(listening, (struct sockaddr *)&address, sizeof address) == 0 &&
         listen(listening, BACKLOG) == 0;
}

static void accept_ready(struct source *source, uint32_t events) {
  (void)events;
  int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) {
    if (errno == EMFILE || errno == ENFILE) loop_want(source, 0);
    return;
  }
  struct ucred peer;
  socklen_t length = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0 || peer.uid != geteuid()) {
    close(fd);
    return;
  }
  connection_open(fd);
}

bool listener_serve(void) { return loop_add(&listener, listening, EPOLLIN, accept_ready); }

void listener_resume(void) { loop_want(&listener, EPOLLIN); }
