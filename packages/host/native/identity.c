#include "identity.h"

#include <stdio.h>
#include <string.h>

#if defined(__APPLE__)

#include <sys/sysctl.h>

bool process_start_time(pid_t pid, char start_time[START_TIME_BYTES]) {
  struct kinfo_proc info;
  size_t length = sizeof info;
  int name[] = {CTL_KERN, KERN_PROC, KERN_PROC_PID, pid};
  if (sysctl(name, 4, &info, &length, NULL, 0) != 0 || length == 0 || info.kp_proc.p_pid != pid) return false;
  snprintf(start_time, START_TIME_BYTES, "%lld.%06d", (long long)info.kp_proc.p_starttime.tv_sec,
           (int)info.kp_proc.p_starttime.tv_usec);
  return true;
}

#else

#include <fcntl.h>
#include <unistd.h>

static bool read_small(const char *path, char *text, size_t capacity) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  ssize_t got = read(file, text, capacity - 1);
  close(file);
  if (got <= 0) return false;
  text[got] = '\0';
  return true;
}

bool process_start_time(pid_t pid, char start_time[START_TIME_BYTES]) {
  char path[64];
  char stat[1024];
  char boot[64];
  snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
  if (!read_small(path, stat, sizeof stat)) return false;
  if (!read_small("/proc/sys/kernel/random/boot_id", boot, sizeof boot)) return false;
  boot[strcspn(boot, "\n")] = '\0';

  /* The command's name is in parentheses and may hold anything; the third field begins after the last of them. */
  char *field = strrchr(stat, ')');
  for (int number = 2; field != NULL && number < 22; number++) {
    field = strchr(field, ' ');
    if (field != NULL) field++;
  }
  if (field == NULL) return false;
  size_t digits = strspn(field, "0123456789");
  if (digits == 0 || digits > 20) return false;
  snprintf(start_time, START_TIME_BYTES, "%s/%.*s", boot, (int)digits, field);
  return true;
}

#endif
