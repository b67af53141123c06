#include "console_pump.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct ends {
  int pipe;
  int socket;
};

static void *pump(void *context) {
  struct ends ends = *(struct ends *)context;
  static char piece[65536];
  ssize_t got;
  while ((got = read(ends.pipe, piece, sizeof piece)) > 0 || (got < 0 && errno == EINTR)) {
    for (ssize_t at = 0, put; at < got; at += put > 0 ? put : 0) {
      put = write(ends.socket, piece + at, (size_t)(got - at));
      /* Nobody keeps it any more; the machine must not stand still for that. */
      if (put < 0 && errno != EINTR) break;
    }
  }
  return NULL;
}

bool console_pump_start(int socket, char *path, size_t capacity, struct failure *failure) {
  static struct ends ends;
  int pipe_ends[2];
  pthread_t thread;
  if (pipe(pipe_ends) != 0) return fail(failure, "console: %s", strerror(errno));
  for (int i = 0; i < 2; i++) fcntl(pipe_ends[i], F_SETFD, FD_CLOEXEC);
  fcntl(socket, F_SETFD, FD_CLOEXEC);
  signal(SIGPIPE, SIG_IGN);
  ends = (struct ends){pipe_ends[0], socket};
#ifdef __linux__
  snprintf(path, capacity, "/proc/self/fd/%d", pipe_ends[1]);
#else
  snprintf(path, capacity, "/dev/fd/%d", pipe_ends[1]);
#endif
  int error = pthread_create(&thread, NULL, pump, &ends);
  if (error != 0) return fail(failure, "console: %s", strerror(error));
  pthread_detach(thread);
  return true;
}
