#include "orphans.h"

#include "platform.h"

#if HOST_HAS_SUBREAPER

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

void adopt_orphans(void) { prctl(PR_SET_CHILD_SUBREAPER, 1); }

/* Only children that are not reaped are listed, so no number can be a stranger's. */
static void kill_children(void) {
  char list[4096];
  int file = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  ssize_t got = read(file, list, sizeof list - 1);
  close(file);
  if (got <= 0) return;
  list[got] = '\0';
  char *at = list;
  for (;;) {
    char *end;
    long pid = strtol(at, &end, 10);
    /* A number that the buffer cut off has no space behind it; the next round finds it. */
    if (end == at || *end != ' ') return;
    if (pid > 1) kill((pid_t)pid, SIGKILL);
    at = end;
  }
}

void end_orphans(void) {
  enum { ROUNDS = 200, PAUSE_MS = 5 };
  for (int round = 0; round < ROUNDS; round++) {
    pid_t reaped;
    do {
      reaped = waitpid(-1, NULL, WNOHANG);
    } while (reaped > 0);
    if (reaped < 0) return;
    kill_children();
    poll(NULL, 0, PAUSE_MS);
  }
}

#else

void adopt_orphans(void) {}
void end_orphans(void) {}

#endif
