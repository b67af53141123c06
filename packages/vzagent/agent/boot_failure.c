#include "boot_failure.h"

#include "listener.h"
#include "log.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MILLIS = 200 };

static uint32_t host_port;

// The guest ends right after this: what the host has not read by then is lost with it, so its answer is awaited.
static void tell(const char *reason) {
  int fd = listener_call_host(host_port);
  if (fd < 0) return;
  struct pollfd wait = {.fd = fd, .events = POLLOUT};
  if (poll(&wait, 1, PATIENCE_MILLIS) > 0 && send(fd, "e", 1, MSG_NOSIGNAL) == 1 &&
      send(fd, reason, strlen(reason), MSG_NOSIGNAL) > 0) {
    wait.events = POLLIN;
    poll(&wait, 1, PATIENCE_MILLIS);
  }
  close(fd);
}

void boot_failure_tell(uint32_t port) {
  host_port = port;
  log_on_fatal(tell);
}
