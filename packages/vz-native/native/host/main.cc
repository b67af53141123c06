/*
 * vz-host CONFIGURATION      holds one virtual machine of Virtualization.framework
 * vz-host --query            prints, as one line of JSON, what this system and this very file can do
 * vz-host --identity PID     prints when a process started
 * vz-host --mac ...          what guests that run macOS are made of: mac_command.h
 */
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "mac_command.h"
#include "machine_host.h"
#include "rosetta.h"
#include "support.h"

enum { EXIT_USAGE = 2, LIFELINE = 3 };

static int signalWriter = -1;

static void noteSignal(int signum) {
  int error = errno;
  unsigned char byte = (unsigned char)signum;
  /* A full pipe is no loss: one signal does as much as many. */
  ssize_t ignored = write(signalWriter, &byte, 1);
  (void)ignored;
  errno = error;
}

/* Returns a descriptor that becomes readable with every signal that matters, or -1. */
static int watchSignals() {
  int ends[2];
  if (pipe(ends) != 0 || !set_private(ends[0]) || !set_private(ends[1])) return -1;
  signalWriter = ends[1];
  struct sigaction action {};
  action.sa_handler = noteSignal;
  action.sa_flags = SA_RESTART;
  sigfillset(&action.sa_mask);
  for (int signum : {SIGTERM, SIGINT, SIGHUP}) {
    if (sigaction(signum, &action, nullptr) != 0) return -1;
  }
  signal(SIGPIPE, SIG_IGN);
  sigset_t none;
  sigemptyset(&none);
  return sigprocmask(SIG_SETMASK, &none, nullptr) == 0 ? ends[0] : -1;
}

/* Each connection of the vsock takes two descriptors. */
static void allowManyDescriptors() {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  rlim_t most = 65536;
  limit.rlim_cur = limit.rlim_max == RLIM_INFINITY || limit.rlim_max > most ? most : limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

static int printIdentity(const char *argument) {
  char startTime[START_TIME_BYTES];
  char *end;
  errno = 0;
  long pid = strtol(argument, &end, 10);
  if (errno != 0 || *end != '\0' || pid <= 0 || !process_start_time((pid_t)pid, startTime)) return 1;
  puts(startTime);
  return 0;
}

static int printQuery() {
  vz::Limits limits = vz::limits();
  printf("{\"supported\":%s,\"entitled\":%s,\"rosetta\":\"%s\",\"maxCpus\":%llu,\"minMemoryBytes\":%llu,"
         "\"maxMemoryBytes\":%llu}\n",
         vz::isSupported() ? "true" : "false", vz::isEntitled() ? "true" : "false", vz::nameOf(vz::rosetta()),
         (unsigned long long)limits.maxCpus, (unsigned long long)limits.minMemoryBytes,
         (unsigned long long)limits.maxMemoryBytes);
  return 0;
}

/* A failure before there is a configuration to undo. */
static int refuseStart(const char *message) {
  static char bytes[MAX_STATUS_BYTES];
  text line{bytes, 0, sizeof bytes, false};
  text_add(&line, "{\"ready\":false,\"error\":");
  text_add_json(&line, message);
  text_add(&line, "}\n");
  fprintf(stderr, "vz-host: %s\n", message);
  return write(LIFELINE, line.bytes, line.length) < 0 ? EXIT_USAGE : 1;
}

static int host(const char *file) {
  if (fcntl(LIFELINE, F_SETFD, FD_CLOEXEC) != 0 || !fill_standard_descriptors()) {
    fprintf(stderr, "vz-host: descriptor 3 must be a pipe or a socket to the program that starts it\n");
    return EXIT_USAGE;
  }
  close_descriptors_above(LIFELINE);
  allowManyDescriptors();
  int signals = watchSignals();
  if (signals < 0) return refuseStart(strerror(errno));
  try {
    HostConfiguration configuration = loadConfiguration(file);
    if (chdir("/") != 0) return refuseStart(strerror(errno));
    /* Not destroyed: what the framework's threads still do may refer to it until the process ends. */
    return (new MachineHost(std::move(configuration), LIFELINE, signals))->run();
  } catch (const std::runtime_error &error) {
    return refuseStart(error.what());
  }
}

int main(int count, char **arguments) {
  if (count == 3 && strcmp(arguments[1], "--identity") == 0) return printIdentity(arguments[2]);
  if (count == 2 && strcmp(arguments[1], "--query") == 0) return printQuery();
  if (count > 2 && strcmp(arguments[1], "--mac") == 0) return macCommand(count - 2, arguments + 2);
  if (count == 2) {
    int code = host(arguments[1]);
    fflush(stderr);
    _exit(code);
  }
  fprintf(stderr, "usage: vz-host CONFIGURATION\n");
  return EXIT_USAGE;
}
