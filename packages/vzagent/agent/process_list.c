#include "process_list.h"

#include "cgroups.h"
#include "clock.h"
#include "files.h"
#include "text.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <time.h>

enum { MOST_LISTED = 8192, MOST_DEPTH = 8, COMMAND = 512, PATH = 512 };

static char *read_of(pid_t pid, const char *file, size_t *length) {
  char path[64];
  text_format(path, sizeof path, "/proc/%d/%s", pid, file);
  return file_read(path, length);
}

// The number behind `key`; 0 when there is none.
static uint32_t value_of(const char *status, const char *key) {
  const char *at = text_after(status, key);
  return at == NULL ? 0 : (uint32_t)text_number(at, 10, NULL);
}

// The number by which a process of the container knows itself or another; 0 for one outside.
static int32_t inner_pid(const char *status) {
  const char *at = text_after(status, "\nNSpid:");
  if (at == NULL) return 0;
  int32_t pid = 0;
  int count = 0;
  for (const char *end; *at != '\n' && *at != '\0'; at = end, count++) {
    pid = (int32_t)text_number(at, 10, &end);
    if (end == at) break;
  }
  return count > 1 ? pid : 0;
}

static int32_t inner_parent(const char *status) {
  pid_t parent = (pid_t)value_of(status, "\nPPid:");
  if (parent == 0) return 0;
  char *text = read_of(parent, "status", NULL);
  int32_t inner = inner_pid(text);
  free(text);
  return inner;
}

static uint64_t boot_unix_micros(void) {
  uint64_t real = clock_micros(CLOCK_REALTIME), since = clock_micros(CLOCK_BOOTTIME);
  return real < since ? 0 : real - since;
}

// Field `number` of /proc/PID/stat, counted from 1 as in its manual page. Fields stand behind the name, which is the
// second and may hold anything.
static uint64_t stat_field(const char *stat, int number) {
  const char *at = strrchr(stat, ')');
  for (int field = 2; at != NULL && field < number; field++) at = strchr(at + 1, ' ');
  return at == NULL ? 0 : text_number(at + 1, 10, NULL);
}

enum { STAT_USER = 14, STAT_SYSTEM = 15, STAT_STARTED = 22, STAT_RESIDENT = 24 };

static uint64_t micros_of_ticks(uint64_t ticks) { return ticks * 1000000 / getauxval(AT_CLKTCK); }

static void add_times(struct process_entry *entry, const char *stat) {
  entry->cpu_micros = micros_of_ticks(stat_field(stat, STAT_USER) + stat_field(stat, STAT_SYSTEM));
  entry->started_unix_micros = boot_unix_micros() + micros_of_ticks(stat_field(stat, STAT_STARTED));
  entry->resident_bytes = stat_field(stat, STAT_RESIDENT) * getauxval(AT_PAGESZ);
}

// The arguments with spaces between; of a process without any, its name in brackets.
static struct slice make_command(char command[COMMAND], const char *arguments, size_t length, const char *stat) {
  if (arguments != NULL && length > 0) {
    if (length > COMMAND) length = COMMAND;
    memcpy(command, arguments, length);
    while (length > 0 && command[length - 1] == '\0') length--;
    for (size_t i = 0; i < length; i++) {
      if (command[i] == '\0') command[i] = ' ';
    }
    return (struct slice){.data = (const uint8_t *)command, .length = length};
  }
  const char *open = strchr(stat, '('), *close = strrchr(stat, ')');
  if (open == NULL || close == NULL) return (struct slice){0};
  int written = text_format(command, COMMAND, "[%.*s]", (int)(close - open - 1), open + 1);
  return (struct slice){.data = (const uint8_t *)command, .length = (size_t)written};
}

// A process that has ended meanwhile is not listed. False when memory is short.
static bool add(struct list_maker *list, pid_t pid) {
  size_t length = 0;
  char *status = read_of(pid, "status", NULL), *stat = read_of(pid, "stat", NULL);
  char *arguments = read_of(pid, "cmdline", &length);
  bool added = true;
  if (status != NULL && stat != NULL) {
    char command[COMMAND];
    struct process_entry entry = {.pid = inner_pid(status), .parent = inner_parent(status)};
    entry.uid = value_of(status, "\nUid:");
    add_times(&entry, stat);
    const char *name_end = strrchr(stat, ')');
    bool has_state = name_end != NULL && name_end[1] == ' ' && name_end[2] != '\0';
    entry.state = (struct slice){.data = (const uint8_t *)(has_state ? name_end + 2 : "?"), .length = 1};
    entry.command = make_command(command, arguments, length, stat);
    if (entry.pid > 0) added = process_entry_add(list, &entry);
  }
  free(status);
  free(stat);
  free(arguments);
  return added;
}

static bool add_all(struct list_maker *list, const char *path, int depth) {
  char name[PATH + 32];
  text_format(name, sizeof name, "%s/cgroup.procs", path);
  char *text = file_read(name, NULL);
  bool is_complete = true;
  for (const char *at = text; at != NULL && *at != '\0' && is_complete && list->count < MOST_LISTED; at++) {
    is_complete = add(list, (pid_t)text_number(at, 10, &at));
    if (*at == '\0') break;
  }
  free(text);
  DIR *folder = is_complete && depth < MOST_DEPTH ? opendir(path) : NULL;
  if (folder == NULL) return is_complete;
  for (struct dirent *entry; is_complete && (entry = readdir(folder)) != NULL;) {
    if (entry->d_type != DT_DIR || entry->d_name[0] == '.') continue;
    char inner[PATH];
    int length = text_format(inner, sizeof inner, "%s/%s", path, entry->d_name);
    if (length > 0 && (size_t)length < sizeof inner) is_complete = add_all(list, inner, depth + 1);
  }
  closedir(folder);
  return is_complete;
}

void process_list(struct connection *connection, const struct message *message) {
  (void)message;
  struct list_maker list = {0};
  if (add_all(&list, CONTAINER_CGROUP, 0)) {
    connection_send(connection, &(struct message){.tag = TAG_PROCESSES, .processes.processes = list_made(&list)});
  } else {
    connection_send_fault(connection, fault(FAILURE_KIND_EXHAUSTED, "out of memory"));
  }
  bytes_free(&list.encoded);
}
