#include "cgroups.h"

#include "files.h"
#include "log.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AGENT_CGROUP CGROUPS "/agent"
#define WORKLOAD_CGROUP CONTAINER_CGROUP "/workload"

enum { FILE_PATH = 128, NUMBER = 48, CPU_PERIOD_MICROS = 100000, KILL_ROUNDS = 64 };

static const char controllers[] = "+cpu +memory +pids +io";

// Leaves that could not be removed yet.
static bool leftovers;

// Leaves for further processes.
enum { MOST_SPARES = 4 };
static char spares[MOST_SPARES][LEAF_PATH];
static size_t spare_count;

static bool write_in(const char *path, const char *file, const char *text) {
  char name[FILE_PATH];
  text_format(name, sizeof name, "%s/%s", path, file);
  return file_write(name, text);
}

// Each write waits for the kernel's readers to pass, so all are asked for at once. A controller that this kernel does
// not have limits nothing; the others still do.
static void enable_controllers(const char *path) {
  if (write_in(path, "cgroup.subtree_control", controllers)) return;
  char names[sizeof controllers], *rest = names;
  memcpy(names, controllers, sizeof names);
  for (char *name; (name = strsep(&rest, " ")) != NULL;) {
    if (write_in(path, "cgroup.subtree_control", name)) continue;
    if (strcmp(path, CGROUPS) == 0) log_line("cgroup controller %s: %m", name + 1);
  }
}

static bool make(const char *path) { return mkdir(path, 0755) == 0 || errno == EEXIST; }

bool cgroups_prepare(void) {
  if (!make(AGENT_CGROUP) || !make(CONTAINER_CGROUP) || !write_in(AGENT_CGROUP, "cgroup.procs", "0")) return false;
  enable_controllers(CGROUPS);
  enable_controllers(CONTAINER_CGROUP);
  // However many processes the container has: the agent gets to run.
  write_in(AGENT_CGROUP, "cpu.weight", "10000");
  return true;
}

// Three quarters of what the machine can have: however a container forks, the agent still can.
static uint64_t most_pids(void) {
  uint64_t least = UINT64_MAX;
  static const char *const files[] = {"/proc/sys/kernel/threads-max", "/proc/sys/kernel/pid_max"};
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    char *text = file_read(files[i], NULL);
    uint64_t value = text == NULL ? 0 : text_number(text, 10, NULL);
    if (value > 0 && value < least) least = value;
    free(text);
  }
  return least == UINT64_MAX ? 4096 : least / 4 * 3;
}

static const struct fault *set_limit(const char *file, const char *what, const char *value, bool is_asked_for) {
  if ((write_in(CONTAINER_CGROUP, file, value) && write_in(WORKLOAD_CGROUP, file, value)) || !is_asked_for) return NULL;
  if (errno == ENOENT) return fault(FAILURE_KIND_UNSUPPORTED, "this kernel cannot limit %s", what);
  return fault_errno("cannot limit %s to %s", what, value);
}

static const char *text_of(const struct optional_u64 *limit, const char *unit, char text[NUMBER]) {
  if (limit->present) {
    text_format(text, NUMBER, "%llu%s", (unsigned long long)limit->value, unit);
  } else {
    text_format(text, NUMBER, "max%s", unit);
  }
  return text;
}

static void remove_leftovers(void) {
  DIR *folder = opendir(CONTAINER_CGROUP);
  if (folder == NULL) return;
  leftovers = false;
  spare_count = 0;
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    char path[FILE_PATH];
    if (strncmp(entry->d_name, "process-", 8) != 0 || strlen(entry->d_name) > 32) continue;
    text_format(path, sizeof path, CONTAINER_CGROUP "/%.32s", entry->d_name);
    // Processes are made in their leaves, so one that is needed is not empty.
    if (rmdir(path) != 0) leftovers = true;
  }
  closedir(folder);
}

const struct fault *cgroups_limit(const struct limits *limits) {
  char text[NUMBER], period[NUMBER];
  remove_leftovers();
  if (!make(WORKLOAD_CGROUP)) return fault_errno("cannot make a cgroup");
  write_in(CONTAINER_CGROUP, "cgroup.freeze", "0");
  if (limits->memory_bytes.present && limits->memory_bytes.value == 0) {
    return fault(FAILURE_KIND_INVALID, "a memory limit of 0 bytes runs nothing");
  }
  if (limits->cpu_quota_micros.present && limits->cpu_quota_micros.value < 1000) {
    return fault(FAILURE_KIND_INVALID, "a CPU quota has at least 1000 microseconds");
  }
  text_format(period, sizeof period, " %d", CPU_PERIOD_MICROS);
  const struct fault *failed = set_limit("cpu.max", "CPU time", text_of(&limits->cpu_quota_micros, period, text),
                                         limits->cpu_quota_micros.present);
  if (failed != NULL) return failed;
  failed = set_limit("memory.max", "memory", text_of(&limits->memory_bytes, "", text), limits->memory_bytes.present);
  if (failed != NULL) return failed;
  // A limit on memory that could be evaded by swapping is none.
  set_limit("memory.swap.max", "swap", limits->memory_bytes.present ? "0" : "max", false);
  struct optional_u64 pids = limits->pids;
  uint64_t most = most_pids();
  if (!pids.present || pids.value > most) pids = (struct optional_u64){.present = true, .value = most};
  return set_limit("pids.max", "processes", text_of(&pids, "", text), limits->pids.present);
}

bool cgroup_make(uint64_t process, char path[LEAF_PATH]) {
  if (process == 0) {
    memcpy(path, WORKLOAD_CGROUP, sizeof WORKLOAD_CGROUP);
  } else if (spare_count > 0) {
    memcpy(path, spares[--spare_count], LEAF_PATH);
    return true;
  } else {
    text_format(path, LEAF_PATH, CONTAINER_CGROUP "/process-%llu", (unsigned long long)process);
  }
  return make(path);
}

int cgroup_open(const char *path) { return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC); }

void cgroup_signal(const char *path, int signum, int except) {
  char name[FILE_PATH];
  text_format(name, sizeof name, "%s/cgroup.procs", path);
  char *text = file_read(name, NULL);
  if (text == NULL) return;
  for (const char *at = text; *at != '\0';) {
    pid_t pid = (pid_t)text_number(at, 10, &at);
    if (pid > 1 && pid != except) kill(pid, signum);
    at += strcspn(at, "\n");
    if (*at == '\n') at++;
  }
  free(text);
}

static bool is_populated(const char *path) {
  uint64_t populated;
  return cgroup_number(path, "cgroup.events", "populated", &populated) && populated != 0;
}

void cgroup_kill(const char *path) {
  if (write_in(path, "cgroup.kill", "1") || errno != ENOENT) return;
  // Before Linux 5.14 what is forked meanwhile has to be found as well. Frozen, nothing is.
  write_in(path, "cgroup.freeze", "1");
  for (int round = 0; round < KILL_ROUNDS && is_populated(path); round++) cgroup_signal(path, SIGKILL, 0);
  write_in(path, "cgroup.freeze", "0");
}

bool cgroup_number(const char *path, const char *file, const char *key, uint64_t *value) {
  char name[FILE_PATH];
  text_format(name, sizeof name, "%s/%s", path, file);
  char *text = file_read(name, NULL);
  if (text == NULL) return false;
  const char *at = text;
  size_t length = key == NULL ? 0 : strlen(key);
  while (length > 0 && at != NULL && (strncmp(at, key, length) != 0 || at[length] != ' ')) {
    at = strchr(at, '\n');
    if (at != NULL) at++;
  }
  bool found = at != NULL && at[length] != '\0';
  if (found) {
    at += length == 0 ? 0 : length + 1;
    found = *at >= '0' && *at <= '9';
    *value = text_number(at, 10, NULL);
  }
  free(text);
  return found;
}

uint64_t cgroup_oom_kills(const char *path) {
  uint64_t kills;
  return cgroup_number(path, "memory.events", "oom_kill", &kills) ? kills : 0;
}

// Nothing runs in it, nothing was made below it, and what it counts of kills it has not begun to count.
static bool is_as_new(const char *path) {
  struct stat found;
  uint64_t populated;
  return cgroup_number(path, "cgroup.events", "populated", &populated) && populated == 0 && stat(path, &found) == 0 &&
         found.st_nlink == 2 && cgroup_oom_kills(path) == 0;
}

void cgroup_retire(char path[LEAF_PATH], bool is_plain) {
  if (is_plain && spare_count < MOST_SPARES && is_as_new(path)) {
    memcpy(spares[spare_count++], path, LEAF_PATH);
  } else if (rmdir(path) != 0) {
    return;
  }
  path[0] = '\0';
}

void cgroup_remove(const char *path) {
  if (leftovers) remove_leftovers();
  if (rmdir(path) != 0 && errno == EBUSY) leftovers = true;
}
