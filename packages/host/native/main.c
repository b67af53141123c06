/*
 * zlayer-host CONFIGURATION      runs a process tree; HOST-CONTRACT.md says how
 * zlayer-host --identity PID     prints when a process started
 * zlayer-host --console SOCKET FILE LIMIT      keeps the last of what comes to a socket in a file
 * zlayer-host --door SOCKET DEVICE      keeps a vsock device from callers that hang up too early
 * zlayer-host --lock MODE        locks the open file behind descriptor 3
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "console.h"
#include "descriptors.h"
#include "door.h"
#include "guardian.h"
#include "host.h"
#include "lock.h"
#include "orphans.h"
#include "text.h"

enum { EXIT_USAGE = 2 };

static int signal_writer = -1;

static void note_signal(int signum) {
  int error = errno;
  unsigned char byte = (unsigned char)signum;
  /* A full pipe is no loss: its reader looks at everything anyway. */
  ssize_t ignored = write(signal_writer, &byte, 1);
  (void)ignored;
  errno = error;
}

/* Returns a descriptor that becomes readable with every signal that matters, or -1. */
static int watch_signals(void) {
  static const int watched[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP};
  int ends[2];
  if (pipe(ends) != 0 || !set_private(ends[0]) || !set_private(ends[1])) return -1;
  signal_writer = ends[1];
  struct sigaction action = {.sa_handler = note_signal, .sa_flags = SA_RESTART};
  sigfillset(&action.sa_mask);
  for (size_t i = 0; i < sizeof watched / sizeof *watched; i++) {
    if (sigaction(watched[i], &action, NULL) != 0) return -1;
  }
  signal(SIGPIPE, SIG_IGN);
  sigset_t none;
  sigemptyset(&none);
  return sigprocmask(SIG_SETMASK, &none, NULL) == 0 ? ends[0] : -1;
}

static int print_identity(const char *argument) {
  char start_time[START_TIME_BYTES];
  char *end;
  errno = 0;
  long pid = strtol(argument, &end, 10);
  if (errno != 0 || *end != '\0' || pid <= 0 || !process_start_time((pid_t)pid, start_time)) return 1;
  puts(start_time);
  return 0;
}

/* A failure before there is a configuration to undo. */
static int refuse(const char *message) {
  static char bytes[MAX_STATUS_BYTES];
  struct text line = {.bytes = bytes, .capacity = sizeof bytes};
  text_add(&line, "{\"ready\":false,\"error\":");
  text_add_json(&line, message);
  text_add(&line, "}\n");
  fprintf(stderr, "zlayer-host: %s\n", message);
  return write(LIFELINE, line.bytes, line.length) < 0 ? EXIT_USAGE : 1;
}

int main(int count, char **arguments) {
  static struct host host;
  struct failure failure = {0};
  if (count == 3 && strcmp(arguments[1], "--identity") == 0) return print_identity(arguments[2]);
  if (count == 5 && strcmp(arguments[1], "--console") == 0) {
    return keep_console(arguments[2], arguments[3], arguments[4]);
  }
  if (count == 4 && strcmp(arguments[1], "--door") == 0) return keep_door(arguments[2], arguments[3]);
  if (count == 3 && strcmp(arguments[1], "--lock") == 0) return take_lock(arguments[2]);
  if (count != 2) {
    fprintf(stderr, "usage: zlayer-host CONFIGURATION\n");
    return EXIT_USAGE;
  }
  if (fcntl(LIFELINE, F_SETFD, FD_CLOEXEC) != 0 || !fill_standard_descriptors()) {
    fprintf(stderr, "zlayer-host: descriptor 3 must be a pipe or a socket to the program that starts it\n");
    return EXIT_USAGE;
  }
  close_descriptors_above(LIFELINE);
  host.lifeline = LIFELINE;
  host.owner = OWNER_LAUNCHER;
  host.pid = getpid();
  host.signals = watch_signals();
  if (host.signals < 0) return refuse(strerror(errno));
  if (!process_start_time(host.pid, host.start_time)) return refuse("the host's own start time cannot be read");
  if (!config_load(arguments[1], &host.config, &failure)) return refuse(failure.message);
  if (chdir("/") != 0 || !guardian_start(&failure)) {
    return refuse(*failure.message == '\0' ? strerror(errno) : failure.message);
  }
  adopt_orphans();
  return host_run(&host);
}
