/*
 * krun-host CONFIGURATION        becomes one virtual machine of libkrun; zlayer-host is its parent
 * krun-host --probe [LIBRARY]    prints, as one line of JSON, what libkrun can do
 */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "configuration.h"
#include "library.h"
#include "machine.h"
#include "probe.h"

/* Apart from what a workload's init may leave with. */
enum { EXIT_USAGE = 2, EXIT_NO_MACHINE = 121 };

/* Each file of a share that the guest remembers takes a descriptor. */
static void allow_many_descriptors(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  rlim_t most = 1048576;
  limit.rlim_cur = limit.rlim_max == RLIM_INFINITY || limit.rlim_max > most ? most : limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

static int host(const char *file) {
  static struct configuration configuration;
  struct library library;
  struct failure failure = {""};
  allow_many_descriptors();
  if (configuration_load(file, &configuration, &failure) && library_load(&library, configuration.library, &failure)) {
    if (library.missing == NULL) machine_become(&library.api, &configuration, &failure);
    else fail(&failure, "%s is too old: it has no %s", library.path, library.missing);
  }
  fprintf(stderr, "krun-host: %s\n", failure.message);
  return EXIT_NO_MACHINE;
}

int main(int count, char **arguments) {
  if (count >= 2 && count <= 3 && strcmp(arguments[1], "--probe") == 0) return probe(count == 3 ? arguments[2] : NULL);
  if (count == 2 && arguments[1][0] == '/') return host(arguments[1]);
  fprintf(stderr, "usage: krun-host CONFIGURATION | --probe [LIBRARY]\n");
  return EXIT_USAGE;
}
