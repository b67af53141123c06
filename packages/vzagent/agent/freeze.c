#include "freeze.h"

#include "cgroups.h"
#include "files.h"
#include "text.h"
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { MOST_WAITING = 64 };

static struct source events = {.fd = -1};  // the container's cgroup.events: the kernel tells when it changes
static bool is_on;
static struct connection *waiting[MOST_WAITING];
static size_t count;

bool freeze_is_on(void) { return is_on; }

static void answer(const struct fault *failed) {
  while (count > 0) {
    struct connection *connection = waiting[--count];
    if (failed != NULL) {
      connection_send_fault(connection, failed);
    } else {
      connection_send_done(connection);
    }
  }
}

static bool is_frozen(void) {
  char text[256];
  // The same descriptor that is waited for: reading it is what makes the next change news.
  ssize_t got = pread(events.fd, text, sizeof text - 1, 0);
  if (got <= 0) return false;
  text[got] = '\0';
  return text_after(text, "frozen 1") != NULL;
}

static void check(void) {
  if (is_frozen() == is_on) answer(NULL);
}

static void changed(struct source *source, uint32_t what) {
  (void)source;
  (void)what;
  check();
}

static const struct fault *watch(void) {
  if (events.fd >= 0) return NULL;
  int fd = open(CONTAINER_CGROUP "/cgroup.events", O_RDONLY | O_CLOEXEC);
  if (fd >= 0 && loop_add(&events, fd, EPOLLPRI, changed)) return NULL;
  int error = errno;
  if (fd >= 0) close(fd);
  return fault(failure_kind_of(error), "cannot watch the container's cgroup: %s", strerror(error));
}

static void set(struct connection *connection, bool on) {
  const struct fault *failed = watch();
  if (workload_init_fd() < 0) {
    failed = fault(FAILURE_KIND_CONFLICT, "no workload is running");
  } else if (count == MOST_WAITING) {
    failed = fault(FAILURE_KIND_EXHAUSTED, "too many wait already");
  } else if (failed == NULL && !file_write(CONTAINER_CGROUP "/cgroup.freeze", on ? "1" : "0")) {
    enum failure_kind kind = errno == ENOENT ? FAILURE_KIND_UNSUPPORTED : FAILURE_KIND_INTERNAL;
    failed = fault(kind, "cannot freeze: %m");
  }
  if (failed != NULL) return connection_send_fault(connection, failed);
  if (on != is_on) answer(fault(FAILURE_KIND_CONFLICT, "another request came in between"));
  is_on = on;
  waiting[count++] = connection;
  check();
}

void freeze(struct connection *connection, const struct message *message) {
  (void)message;
  set(connection, true);
}

void thaw(struct connection *connection, const struct message *message) {
  (void)message;
  set(connection, false);
}

void freeze_forget(void) {
  if (is_on) file_write(CONTAINER_CGROUP "/cgroup.freeze", "0");
  is_on = false;
  answer(fault(FAILURE_KIND_GONE, "the container has ended"));
}

void freeze_connection_lost(struct connection *connection) {
  for (size_t i = 0; i < count;) {
    if (waiting[i] == connection) {
      waiting[i] = waiting[--count];
    } else {
      i++;
    }
  }
}
