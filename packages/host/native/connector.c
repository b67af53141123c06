#include "connector.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "descriptors.h"
#include "socket_path.h"

#if HOST_HAS_INOTIFY
#include <sys/inotify.h>
#endif

static bool check_directories(const struct config *config, struct failure *failure) {
  for (size_t i = 0; i < config->connection_count; i++) {
    char directory[MAX_SOCKET_PATH_BYTES + 1];
    struct stat info;
    socket_directory(config->connections[i].path, directory);
    if (stat(directory, &info) != 0 || !S_ISDIR(info.st_mode)) {
      return fail(failure, "connections[%zu].path: %s is not a directory", i, directory);
    }
  }
  return true;
}

/* -1 where directories cannot be watched (other systems, or too many watches already): then retries alone must do. */
static int watch_directories(const struct config *config) {
#if HOST_HAS_INOTIFY
  int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  for (size_t i = 0; watch >= 0 && i < config->connection_count; i++) {
    char directory[MAX_SOCKET_PATH_BYTES + 1];
    socket_directory(config->connections[i].path, directory);
    if (inotify_add_watch(watch, directory, IN_CREATE | IN_MOVED_TO) < 0) {
      close(watch);
      watch = -1;
    }
  }
  return watch;
#else
  (void)config;
  return -1;
#endif
}

bool connector_open(struct connector *connector, const struct config *config, struct failure *failure) {
  *connector = (struct connector){.config = config, .watch = -1, .retry_at = -1};
  connector->retry_delay_ms = CONNECT_RETRY_MIN_MS;
  for (size_t i = 0; i < config->connection_count; i++) {
    connector->connected[i] = (struct passed_descriptor){.open = -1, .number = config->connections[i].descriptor};
  }
  connector->waiting = config->connection_count;
  if (connector->waiting == 0) return true;
  if (!check_directories(config, failure)) return false;
  /* The watch comes before the first attempt, or a socket that appears between the two is missed. */
  connector->watch = watch_directories(config);
  return connector_try(connector, failure);
}

/* Returns the connected descriptor, or -1 with errno. */
static int connect_now(const char *path) {
  const struct sockaddr_un address = socket_address(path);
  int low = socket(AF_UNIX, SOCK_STREAM, 0);
  if (low < 0) return -1;
  int connection = -1;
  const struct sockaddr *to = (const struct sockaddr *)&address;
  if (set_private(low) && connect(low, to, sizeof address) == 0 && set_blocking(low, true)) {
    connection = fcntl(low, F_DUPFD_CLOEXEC, FIRST_HIGH_DESCRIPTOR);
  }
  int error = errno;
  close(low);
  errno = error;
  return connection;
}

static void drain(int watch) {
  char events[4096];
  while (watch >= 0 && read(watch, events, sizeof events) > 0) continue;
}

bool connector_try(struct connector *connector, struct failure *failure) {
  bool soon = false;
  drain(connector->watch);
  for (size_t i = 0; i < connector->config->connection_count; i++) {
    if (connector->connected[i].open >= 0) continue;
    const char *path = connector->config->connections[i].path;
    connector->connected[i].open = connect_now(path);
    if (connector->connected[i].open >= 0) {
      connector->waiting--;
    } else if (errno == ECONNREFUSED || errno == EAGAIN) {
      soon = true; /* bound but not listening yet, which no watch reports */
    } else if (errno == ENOENT) {
      soon = soon || connector->watch < 0;
    } else {
      return fail(failure, "cannot connect to %s: %s", path, strerror(errno));
    }
  }
  connector->retry_at = soon ? now_ms() + connector->retry_delay_ms : -1;
  connector->retry_delay_ms *= soon ? 2 : 1;
  if (connector->retry_delay_ms > CONNECT_RETRY_MAX_MS) connector->retry_delay_ms = CONNECT_RETRY_MAX_MS;
  return true;
}

const char *connector_missing(const struct connector *connector) {
  for (size_t i = 0; i < connector->config->connection_count; i++) {
    if (connector->connected[i].open < 0) return connector->config->connections[i].path;
  }
  return NULL;
}

void connector_close(struct connector *connector) {
  if (connector->config == NULL) return;
  for (size_t i = 0; i < connector->config->connection_count; i++) {
    if (connector->connected[i].open >= 0) close(connector->connected[i].open);
    connector->connected[i].open = -1;
  }
  if (connector->watch >= 0) close(connector->watch);
  connector->watch = -1;
  connector->retry_at = -1;
}
