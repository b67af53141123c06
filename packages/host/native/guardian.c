#include "guardian.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "descriptors.h"
#include "limits.h"

static int orders = -1;
static pid_t guardian = 0;

/* An order is a group to guard, or the negative of one to forget. */
static void guard(int input) {
  pid_t groups[MAX_HELPERS + 1] = {0};
  pid_t order;
  ssize_t got;
  while ((got = read(input, &order, sizeof order)) != 0) {
    if (got < 0 && errno == EINTR) continue;
    if (got != (ssize_t)sizeof order) break;
    pid_t wanted = order > 0 ? 0 : -order;
    for (int i = 0; i <= MAX_HELPERS; i++) {
      if (groups[i] != wanted) continue;
      groups[i] = order > 0 ? order : 0;
      break;
    }
  }
  for (int i = 0; i <= MAX_HELPERS; i++) {
    if (groups[i] > 0) kill(-groups[i], SIGKILL);
  }
  _exit(0);
}

bool guardian_start(struct failure *failure) {
  int ends[2];
  if (pipe(ends) != 0) return fail(failure, "guardian: %s", strerror(errno));
  guardian = fork();
  if (guardian < 0) {
    close(ends[0]);
    close(ends[1]);
    return fail(failure, "guardian: %s", strerror(errno));
  }
  if (guardian == 0) {
    setpgid(0, 0);
    for (int signum = 1; signum < NSIG; signum++) signal(signum, SIG_IGN);
    if (dup2(ends[0], 0) < 0) _exit(1);
    close_descriptors_above(2);
    guard(0);
  }
  close(ends[0]);
  orders = ends[1];
  fcntl(orders, F_SETFD, FD_CLOEXEC);
  return true;
}

static void order(pid_t group) {
  /* A guardian that was killed cannot guard; the host goes on without it. */
  while (orders >= 0 && write(orders, &group, sizeof group) < 0 && errno == EINTR) continue;
}

void guardian_add(pid_t group) { order(group); }
void guardian_forget(pid_t group) { order(-group); }

void guardian_stop(void) {
  if (orders < 0) return;
  close(orders);
  orders = -1;
  while (waitpid(guardian, NULL, 0) < 0 && errno == EINTR) continue;
}
