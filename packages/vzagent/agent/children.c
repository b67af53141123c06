#include "children.h"

#include "loop.h"
#include "workload.h"

#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
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

// Each signal gets its default meaning, here and in all that comes from here: 64 calls at each launch were much of it.
static void default_signals(void) {
  // The kernel's own struct sigaction: the default handler, no flags, an empty mask.
  static const uint64_t plain[4];
  for (int signum = 1; signum < NSIG; signum++) syscall(SYS_rt_sigaction, signum, plain, NULL, sizeof(uint64_t));
}

bool children_watch(void) {
  default_signals();
  sigset_t all, child;
  sigfillset(&all);
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  if (sigprocmask(SIG_SETMASK, &all, NULL) != 0) return false;
  int fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
  return fd >= 0 && loop_add(&signals, fd, EPOLLIN, ready);
}
