#include "statistics.h"

#include "cgroups.h"
#include "clock.h"
#include "files.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t required(const char *file, const char *key) {
  uint64_t value;
  return cgroup_number(CONTAINER_CGROUP, file, key, &value) ? value : 0;
}

static struct optional_u64 optional(const char *file, const char *key) {
  struct optional_u64 number = {0};
  number.present = cgroup_number(CONTAINER_CGROUP, file, key, &number.value);
  return number;
}

// The number behind the first `key`; 0 when there is none.
static uint64_t number_after(const char *text, const char *key) {
  const char *at = text_after(text, key);
  return at == NULL ? 0 : text_number(at, 10, NULL);
}

static void add_memory(struct statistics_message *answer) {
  char *text = file_read("/proc/meminfo", NULL);
  answer->guest_memory_bytes = number_after(text, "MemTotal:") * 1024;
  answer->guest_memory_available_bytes = number_after(text, "MemAvailable:") * 1024;
  free(text);
}

// The name of a device number: the last segment of where /sys/dev/block/N:M leads.
static const char *device_name(const char *number, char name[256]) {
  char path[64], target[256];
  text_format(path, sizeof path, "/sys/dev/block/%.32s", number);
  ssize_t length = readlink(path, target, sizeof target - 1);
  if (length <= 0) return number;
  target[length] = '\0';
  const char *last = strrchr(target, '/');
  text_format(name, 256, "%s", last == NULL ? target : last + 1);
  return name;
}

static bool add_io(struct list_maker *list) {
  char *text = file_read(CONTAINER_CGROUP "/io.stat", NULL), *rest = text, name[256];
  bool is_complete = true;
  for (char *line; is_complete && rest != NULL && (line = strsep(&rest, "\n")) != NULL;) {
    char *values = line;
    const char *number = strsep(&values, " ");
    if (values == NULL || strchr(values, '=') == NULL) continue;
    struct io_statistics io = {
        .device = text_slice(device_name(number, name)),
        .read_bytes = number_after(values, "rbytes="),
        .write_bytes = number_after(values, "wbytes="),
        .read_operations = number_after(values, "rios="),
        .write_operations = number_after(values, "wios="),
    };
    is_complete = io_statistics_add(list, &io);
  }
  free(text);
  return is_complete;
}

static bool add_network(struct list_maker *list, char *line) {
  char *name = line + strspn(line, " ");
  char *colon = strchr(name, ':');
  if (colon == NULL) return true;  // the headings
  *colon = '\0';
  uint64_t value[12] = {0};
  const char *at = colon + 1;
  for (size_t i = 0; i < sizeof value / sizeof value[0]; i++) value[i] = text_number(at, 10, &at);
  if (strcmp(name, "lo") == 0) return true;
  struct network_statistics network = {
      .interface = text_slice(name),
      .received_bytes = value[0],
      .received_packets = value[1],
      .receive_errors = value[2],
      .receive_drops = value[3],
      .sent_bytes = value[8],
      .sent_packets = value[9],
      .send_errors = value[10],
      .send_drops = value[11],
  };
  return network_statistics_add(list, &network);
}

static bool add_networks(struct list_maker *list) {
  char *text = file_read("/proc/net/dev", NULL), *rest = text;
  bool is_complete = true;
  for (char *line; is_complete && rest != NULL && (line = strsep(&rest, "\n")) != NULL;) {
    is_complete = add_network(list, line);
  }
  free(text);
  return is_complete;
}

void statistics(struct connection *connection, const struct message *message) {
  (void)message;
  struct list_maker io = {0}, networks = {0};
  struct statistics_message answer = {
      .unix_micros = clock_micros(CLOCK_REALTIME),
      .cpu_micros = required("cpu.stat", "usage_usec"),
      .cpu_user_micros = required("cpu.stat", "user_usec"),
      .cpu_system_micros = required("cpu.stat", "system_usec"),
      .cpu_throttled_micros = optional("cpu.stat", "throttled_usec"),
      .memory_bytes = required("memory.current", NULL),
      .memory_peak_bytes = optional("memory.peak", NULL),
      .memory_cache_bytes = optional("memory.stat", "file"),
      .memory_limit_bytes = optional("memory.max", NULL),
      .oom_kills = cgroup_oom_kills(CONTAINER_CGROUP),
      .pids = required("pids.current", NULL),
      .pids_limit = optional("pids.max", NULL),
  };
  add_memory(&answer);
  if (add_io(&io) && add_networks(&networks)) {
    answer.io = list_made(&io);
    answer.networks = list_made(&networks);
    connection_send(connection, &(struct message){.tag = TAG_STATISTICS, .statistics = answer});
  } else {
    connection_send_fault(connection, fault(FAILURE_KIND_EXHAUSTED, "out of memory"));
  }
  bytes_free(&io.encoded);
  bytes_free(&networks.encoded);
}
