#include "init.h"

#include "capabilities.h"
#include "container.h"
#include "files.h"
#include "mounts.h"
#include "program.h"
#include "seccomp.h"
#include "start_report.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REPORT_FD = 3 };

// Puts stdio at 0-2 and the report at 3, and closes everything else: nothing of the agent's reaches the container.
static void arrange_descriptors(const struct init_task *task) {
  int wanted[] = {task->stdin_fd, task->stdout_fd, task->stderr_fd, task->report};
  int count = (int)(sizeof wanted / sizeof wanted[0]);
  for (int i = 0; i < count; i++) {
    wanted[i] = fcntl(wanted[i], F_DUPFD_CLOEXEC, count);
    if (wanted[i] < 0) start_fail(task->report, "cannot arrange descriptors: %s", strerror(errno));
  }
  for (int i = 0; i < count; i++) {
    if (dup3(wanted[i], i, i == REPORT_FD ? O_CLOEXEC : 0) != i) _exit(1);
  }
  if (syscall(SYS_close_range, count, ~0U, 0) != 0) {
    start_fail(REPORT_FD, "cannot close the agent's descriptors: %s", strerror(errno));
  }
}

static void join_cgroup(void) {
  // The namespace's root is the cgroup in which its creator is, so the order matters.
  if (file_write(WORKLOAD_CGROUP "/cgroup.procs", "0") && unshare(CLONE_NEWCGROUP) == 0) return;
  start_fail(REPORT_FD, "cannot enter the workload's cgroup: %s", strerror(errno));
}

static void become_ordinary(void) {
  // A workload's descriptors are limited as under a systemd service; the agent's own limit is higher.
  struct rlimit files = {.rlim_cur = 1024, .rlim_max = 524288};
  if (!file_write("/proc/self/oom_score_adj", "0") || setrlimit(RLIMIT_NOFILE, &files) != 0) {
    start_fail(REPORT_FD, "cannot reset the agent's privileges over memory and files: %s", strerror(errno));
  }
}

static void give_up_privileges(void) {
  // Memory and descriptors of this process, a copy of the agent, are nobody's to read in the container.
  if (!seccomp_install() || !capabilities_reduce() || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    start_fail(REPORT_FD, "cannot reduce privileges: %s", strerror(errno));
  }
}

static void default_signals(void) {
  for (int signum = 1; signum < NSIG; signum++) signal(signum, SIG_DFL);
}

static noreturn void workload_main(const struct spec *spec) {
  sigset_t none;
  sigemptyset(&none);
  setsid();
  umask(022);
  for (int fd = 0; fd < 3; fd++) {
    // A workload that opens /dev/stdout anew needs to own what is behind it.
    if (fchown(fd, spec->uid, spec->gid) != 0) start_fail(REPORT_FD, "cannot give stdio away: %s", strerror(errno));
  }
  if (!make_folders(spec->cwd, 0755, spec->uid, spec->gid) || chdir(spec->cwd) != 0) {
    start_fail(REPORT_FD, "working directory \"%s\": %s", spec->cwd, strerror(errno));
  }
  if (setgroups(0, NULL) != 0 || setresgid(spec->gid, spec->gid, spec->gid) != 0 ||
      setresuid(spec->uid, spec->uid, spec->uid) != 0) {
    start_fail(REPORT_FD, "cannot become user %u, group %u: %s", spec->uid, spec->gid, strerror(errno));
  }
  start_identify(REPORT_FD);
  sigprocmask(SIG_SETMASK, &none, NULL);
  program_exec(spec, REPORT_FD);
}

static int exit_code(int status) { return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status); }

// Reaps whoever ended; ends this process, and with it the namespace, when it was the workload.
static void reap(pid_t workload) {
  for (;;) {
    int status;
    pid_t ended = waitpid(-1, &status, WNOHANG);
    if (ended <= 0) return;
    if (ended == workload) _exit(exit_code(status));
  }
}

static noreturn void serve(pid_t workload) {
  sigset_t all;
  sigfillset(&all);
  for (;;) {
    int signum = sigwaitinfo(&all, NULL);
    if (signum == SIGCHLD) {
      reap(workload);
    } else if (signum > 0) {
      kill(workload, signum);
    }
  }
}

// Holds no end of the workload's pipes open.
static void let_stdio_go(void) {
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd < 3; fd++) {
    if (null < 0 || dup2(null, fd) != fd) _exit(1);
  }
  if (null > 2) close(null);
}

void init_main(const struct init_task *task) {
  // Blocked signals wait for `serve`, even those that the kernel would not deliver to a PID 1 without a handler.
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
  default_signals();
  arrange_descriptors(task);
  become_ordinary();
  join_cgroup();
  if (sethostname("localhost", 9) != 0) start_fail(REPORT_FD, "cannot set the host name: %s", strerror(errno));
  container_enter(task->shares, task->share_count, REPORT_FD);
  give_up_privileges();
  pid_t workload = fork();
  if (workload < 0) start_fail(REPORT_FD, "cannot fork: %s", strerror(errno));
  if (workload == 0) workload_main(task->spec);
  prctl(PR_SET_NAME, "init", 0, 0, 0);
  let_stdio_go();
  close(REPORT_FD);
  serve(workload);
}
