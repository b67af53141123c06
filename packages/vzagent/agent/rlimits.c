#include "rlimits.h"

#include <errno.h>
#include <string.h>

static const struct {
  const char *name;
  int number;
} resources[] = {
    {"as", RLIMIT_AS},
    {"core", RLIMIT_CORE},
    {"cpu", RLIMIT_CPU},
    {"data", RLIMIT_DATA},
    {"fsize", RLIMIT_FSIZE},
    {"locks", RLIMIT_LOCKS},
    {"memlock", RLIMIT_MEMLOCK},
    {"msgqueue", RLIMIT_MSGQUEUE},
    {"nice", RLIMIT_NICE},
    {"nofile", RLIMIT_NOFILE},
    {"nproc", RLIMIT_NPROC},
    {"rss", RLIMIT_RSS},
    {"rtprio", RLIMIT_RTPRIO},
    {"rttime", RLIMIT_RTTIME},
    {"sigpending", RLIMIT_SIGPENDING},
    {"stack", RLIMIT_STACK},
};

enum { RESOURCES = sizeof resources / sizeof resources[0] };

int rlimit_number(struct slice name) {
  for (int i = 0; i < RESOURCES; i++) {
    if (strlen(resources[i].name) == name.length && memcmp(resources[i].name, name.data, name.length) == 0) {
      return resources[i].number;
    }
  }
  return -1;
}

static const char *name_of(int number) {
  for (int i = 0; i < RESOURCES; i++) {
    if (resources[i].number == number) return resources[i].name;
  }
  return "?";
}

static bool set(int resource, const struct rlimit *value) {
  struct rlimit current;
  // What is so already may stay so without the privilege to raise it.
  if (prlimit(0, resource, NULL, &current) == 0 && current.rlim_cur == value->rlim_cur &&
      current.rlim_max == value->rlim_max) {
    return true;
  }
  return prlimit(0, resource, value, NULL) == 0;
}

const struct fault *rlimits_apply(const struct spec *spec) {
  // A program's descriptors are limited as under a systemd service; the agent's own limit is higher.
  const struct rlimit files = {.rlim_cur = 1024, .rlim_max = 524288};
  struct rlimit own;
  if (prlimit(0, RLIMIT_NOFILE, NULL, &own) == 0 && own.rlim_max > files.rlim_max) own.rlim_max = files.rlim_max;
  own.rlim_cur = own.rlim_max < files.rlim_cur ? own.rlim_max : files.rlim_cur;
  if (!set(RLIMIT_NOFILE, &own)) return fault(FAILURE_KIND_INTERNAL, "cannot limit descriptors: %m");
  for (size_t i = 0; i < spec->limit_count; i++) {
    if (set(spec->limits[i].resource, &spec->limits[i].value)) continue;
    enum failure_kind kind = errno == EINVAL ? FAILURE_KIND_INVALID : FAILURE_KIND_UNSUPPORTED;
    return fault(kind, "cannot set the resource limit \"%s\": %m", name_of(spec->limits[i].resource));
  }
  return NULL;
}
