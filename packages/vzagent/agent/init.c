#include "init.h"

#include "capabilities.h"
#include "descriptors.h"
#include "files.h"
#include "launch.h"
#include "seccomp.h"
#include "start_report.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/capability.h>

static const uint64_t init_capabilities = UINT64_C(1) << CAP_KILL;

static noreturn void fail(const char *what) {
  start_fail(REPORT_FD, fault_errno("%s", what));
}

static noreturn void serve(pid_t workload) {
  sigset_t all;
  sigfillset(&all);
  for (;;) {
    int signum = sigwaitinfo(&all, NULL);
    if (signum == SIGCHLD) {
      // Orphans. The workload and what is executed are the agent's children.
      while (waitpid(-1, NULL, WNOHANG) > 0) continue;
    } else if (signum > 0) {
      kill(workload, signum);
    }
  }
}

static noreturn void be_init(void) {
  prctl(PR_SET_NAME, "init", 0, 0, 0);
  if (!seccomp_install() || !capabilities_bound(init_capabilities) || !capabilities_apply(init_capabilities) ||
      prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    fail("cannot reduce privileges");
  }
  start_tell(REPORT_FD, START_CONTAINER);
  pid_t workload = start_wait(REPORT_FD);
  close(REPORT_FD);
  serve(workload);
}

void init_main(const struct init_task *task) {
  // Signals are blocked as they are in the agent: they wait for `serve`, even those that the kernel would not deliver to
  // a PID 1 without a handler.
  const int wanted[] = {task->stdio[0], task->stdio[1], task->stdio[2], task->report};
  if (!descriptors_arrange(wanted, sizeof wanted / sizeof wanted[0])) _exit(1);
  // A reaping init stays as safe from the end of memory as the agent is: it takes none.
  if (task->program != NULL && !file_write("/proc/self/oom_score_adj", "0")) {
    fail("cannot reset the agent's privileges over memory");
  }
  // The namespace's root is the cgroup in which its creator is: the workload's leaf.
  if (unshare(CLONE_NEWCGROUP) != 0) fail("cannot make a cgroup namespace");
  const struct fault *failed = container_enter(task->container);
  if (failed != NULL) start_fail(REPORT_FD, failed);
  if (task->program == NULL) be_init();
  start_tell(REPORT_FD, START_CONTAINER);
  start_wait(REPORT_FD);
  launch_program(task->program, task->program->has_tty);
}
