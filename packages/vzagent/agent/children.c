#include "children.h"

#include "loop.h"
#include "workload.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

static struct source signals = {.fd = -1};

// One signal may stand for many ends.
static void ready(struct source *source, uint32_t events) {
  (void)events;
  struct signalfd_siginfo ignored;
  while (read(source->fd, &ignored, sizeof ignored) > 0) continue;
  for (;;) {
    int status;
    pid_t ended = waitpid(-1, &status, WNOHANG);
    if (ended <= 0) return;
    if (!workload_child_ended(ended, status)) process_child_ended(ended, status);
  }
}

bool children_watch(void) {
  sigset_t all, child;
  sigfillset(&all);
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  if (sigprocmask(SIG_SETMASK, &all, NULL) != 0) return false;
  int fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
  return fd >= 0 && loop_add(&signals, fd, EPOLLIN, ready);
}
