#include "watch.h"

#include "cgroups.h"
#include "clock.h"
#include "log.h"
#include "network.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { SMALLEST_WINDOW_MICROS = 500 * 1000, LARGEST_WINDOW_MICROS = 10 * 1000 * 1000, SETTLE_MILLIS = 20 };

// One connection that watches.
struct watch {
  struct source pressure;  // a trigger of its own; its descriptor's life is the trigger's
  struct connection *connection;
  uint64_t kills_told;
  bool network_changed;  // and not told yet, because the host is behind
  struct watch *next;
};

static struct watch *watches;
static struct source kills = {.fd = -1};
static struct timer network_changes;

static uint64_t count_kills(void) { return cgroup_oom_kills(CONTAINER_CGROUP); }

static void tell_kills(struct watch *watch) {
  uint64_t count = count_kills();
  if (count <= watch->kills_told || connection_is_full(watch->connection)) return;
  struct message message = {.tag = TAG_OOM_KILLED};
  message.oom_killed = (struct oom_killed_message){
      .unix_micros = clock_micros(CLOCK_REALTIME), .kills = count - watch->kills_told};
  watch->kills_told = count;
  connection_send(watch->connection, &message);
}

// The kernel tells of a change until the file is read through the descriptor that waits.
static void read_events(int fd) {
  char ignored[512];
  if (pread(fd, ignored, sizeof ignored, 0) < 0) log_line("memory.events: %m");
}

static void kills_ready(struct source *source, uint32_t events) {
  (void)events;
  read_events(source->fd);
  for (struct watch *each = watches; each != NULL; each = each->next) tell_kills(each);
}

static bool watch_kills(void) {
  if (kills.fd >= 0) return true;
  int fd = open(CONTAINER_CGROUP "/memory.events", O_RDONLY | O_CLOEXEC);
  if (fd >= 0) read_events(fd);
  if (fd >= 0 && loop_add(&kills, fd, EPOLLPRI, kills_ready)) return true;
  if (fd >= 0) close(fd);
  return false;
}

static void pressure_ready(struct source *source, uint32_t events) {
  struct watch *watch = (struct watch *)source;
  if ((events & EPOLLERR) != 0) {
    loop_close(source);  // the cgroup is gone
    return;
  }
  if (connection_is_full(watch->connection)) return;
  struct message message = {.tag = TAG_MEMORY_PRESSURE};
  uint64_t memory;
  if (!cgroup_number(CONTAINER_CGROUP, "memory.current", NULL, &memory)) memory = 0;
  message.memory_pressure = (struct memory_pressure_message){
      .unix_micros = clock_micros(CLOCK_REALTIME), .memory_bytes = memory};
  connection_send(watch->connection, &message);
}

static const struct fault *watch_pressure(struct watch *watch, const struct pressure_threshold *threshold) {
  if (threshold->window_micros < SMALLEST_WINDOW_MICROS || threshold->window_micros > LARGEST_WINDOW_MICROS ||
      threshold->stall_micros == 0 || threshold->stall_micros > threshold->window_micros) {
    return fault(FAILURE_KIND_INVALID,
                 "a window of memory pressure has 500 000 to 10 000 000 microseconds, a stall at most as many");
  }
  char trigger[64];
  int length = 1 + text_format(trigger, sizeof trigger, "some %u %u", threshold->stall_micros,
                               threshold->window_micros);
  int fd = open(CONTAINER_CGROUP "/memory.pressure", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd >= 0 && write(fd, trigger, (size_t)length) == length &&
      loop_add(&watch->pressure, fd, EPOLLPRI, pressure_ready)) {
    return NULL;
  }
  enum failure_kind kind = fd < 0 ? FAILURE_KIND_UNSUPPORTED : failure_kind_of(errno);
  const struct fault *failed = fault(kind, "memory pressure cannot be watched: %m");
  if (fd >= 0) close(fd);
  return failed;
}

static void lost(struct connection *connection) {
  struct watch *watch = connection->owner;
  struct watch **link = &watches;
  while (*link != watch) link = &(*link)->next;
  *link = watch->next;
  loop_close(&watch->pressure);
  free(watch);
}

static bool take(struct connection *connection, const struct message *message) {
  (void)connection, (void)message;
  return false;
}

static void tell_network(struct watch *watch) {
  if (!watch->network_changed || connection_is_full(watch->connection)) return;
  watch->network_changed = false;
  network_report(watch->connection);
}

static void caught_up(struct connection *connection) {
  tell_kills(connection->owner);
  tell_network(connection->owner);
}

static const struct connection_role role = {.take = take, .caught_up = caught_up, .lost = lost};

void watch_begin(struct connection *connection, const struct watch_message *message) {
  if (connection->role != NULL) {
    return connection_send_fault(connection, fault(FAILURE_KIND_CONFLICT, "this connection has a part already"));
  }
  struct watch *watch = calloc(1, sizeof *watch);
  if (watch == NULL) return connection_send_fault(connection, fault(FAILURE_KIND_EXHAUSTED, "out of memory"));
  watch->pressure.fd = -1;
  watch->connection = connection;
  const struct fault *failed = message->pressure.present ? watch_pressure(watch, &message->pressure.value) : NULL;
  if (failed == NULL && !watch_kills()) {
    failed = fault(FAILURE_KIND_UNSUPPORTED, "out-of-memory kills cannot be watched: %m");
  }
  if (failed != NULL) {
    loop_close(&watch->pressure);
    free(watch);
    return connection_send_fault(connection, failed);
  }
  watch->kills_told = count_kills();
  watch->next = watches;
  watches = watch;
  connection->role = &role;
  connection->owner = watch;
  connection_send_done(connection);
}

static void network_settled(struct timer *timer) {
  (void)timer;
  for (struct watch *each = watches; each != NULL; each = each->next) {
    each->network_changed = true;
    tell_network(each);
  }
}

// One change makes many events: a lease alone brings an address and two routes.
void watch_network_changed(void) {
  if (watches != NULL && !timer_runs(&network_changes)) timer_start(&network_changes, SETTLE_MILLIS, network_settled);
}
