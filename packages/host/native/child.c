#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "descriptors.h"
#include "guardian.h"
#include "protect.h"

#if HOST_HAS_PARENT_DEATH_SIGNAL
#include <sys/prctl.h>
#endif

#ifdef __APPLE__
#include <crt_externs.h>
#define environ (*_NSGetEnviron())
#else
extern char **environ;
#endif

static int open_log(const struct program *program, off_t *end, struct failure *failure) {
  const char *path = program->log == NULL ? "/dev/null" : program->log;
  int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK;
  int log = open(path, flags, 0600);
  struct stat info;
  if (log < 0 || fstat(log, &info) != 0) {
    fail(failure, "%s: cannot open its log %s: %s", program->name, path, strerror(errno));
    if (log >= 0) close(log);
    return -1;
  }
  if (program->log != NULL && !S_ISREG(info.st_mode)) {
    close(log);
    fail(failure, "%s: its log %s is not a regular file", program->name, program->log);
    return -1;
  }
  set_blocking(log, true);
  *end = info.st_size;
  return log;
}

static void reset_signals(void) {
  sigset_t none;
  for (int signum = 1; signum < NSIG; signum++) signal(signum, SIG_DFL);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Why a child did not become its program. */
struct exec_failure {
  int error; /* an errno; 0: it did */
  bool protecting; /* it was about to make paths read-only */
};

/* The rest of the child's life; returns only what went wrong. */
static struct exec_failure become(const struct program *program, int log, const struct passed_descriptor *passed,
                                  size_t passed_count, pid_t parent) {
  if (setpgid(0, 0) != 0) return (struct exec_failure){.error = errno};
#if HOST_HAS_PARENT_DEATH_SIGNAL
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return (struct exec_failure){.error = errno};
#endif
  if (getppid() != parent) _exit(127);
  int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (input < 0 || dup2(input, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0) return (struct exec_failure){.error = errno};
  for (size_t i = 0; i < passed_count; i++) {
    if (dup2(passed[i].open, passed[i].number) < 0) return (struct exec_failure){.error = errno};
  }
  int error = protect_paths(program->read_only_paths);
  if (error != 0) return (struct exec_failure){.error = error, .protecting = true};
  reset_signals();
  execve(program->argv[0], program->argv, environ);
  return (struct exec_failure){.error = errno};
}

/* A pipe above every number that may be passed; its ends close on exec. */
static bool open_error_pipe(int ends[2]) {
  int low[2];
  if (pipe(low) != 0) return false;
  ends[0] = fcntl(low[0], F_DUPFD_CLOEXEC, FIRST_HIGH_DESCRIPTOR);
  ends[1] = fcntl(low[1], F_DUPFD_CLOEXEC, FIRST_HIGH_DESCRIPTOR);
  int error = errno;
  close(low[0]);
  close(low[1]);
  if (ends[0] >= 0 && ends[1] >= 0) return true;
  if (ends[0] >= 0) close(ends[0]);
  if (ends[1] >= 0) close(ends[1]);
  errno = error;
  return false;
}

/* Waits until the program has been executed, or says why it was not. */
static struct exec_failure await_exec(int error_pipe) {
  struct exec_failure why = {0};
  ssize_t got;
  do {
    got = read(error_pipe, &why, sizeof why);
  } while (got < 0 && errno == EINTR);
  return got == (ssize_t)sizeof why ? why : (struct exec_failure){0};
}

/* Forks with every signal blocked, so that the child never runs the host's handlers. */
static pid_t fork_quietly(void) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  pid_t pid = fork();
  if (pid == 0) return 0;
  int error = errno;
  sigprocmask(SIG_SETMASK, &before, NULL);
  errno = error;
  return pid;
}

static bool run(struct child *child, int log, const struct passed_descriptor *passed, size_t passed_count,
                struct failure *failure) {
  const struct program *program = child->program;
  int error_pipe[2];
  if (!open_error_pipe(error_pipe)) return fail(failure, "%s: cannot start: %s", program->name, strerror(errno));

  pid_t parent = getpid();
  pid_t pid = fork_quietly();
  if (pid == 0) {
    struct exec_failure why = become(program, log, passed, passed_count, parent);
    _exit(write(error_pipe[1], &why, sizeof why) == (ssize_t)sizeof why ? 127 : 126);
  }
  int error = errno;
  close(error_pipe[1]);
  if (pid < 0) {
    close(error_pipe[0]);
    return fail(failure, "%s: cannot start: %s", program->name, strerror(error));
  }
  guardian_add(pid);
  struct exec_failure why = await_exec(error_pipe[0]);
  close(error_pipe[0]);
  if (why.error != 0) {
    guardian_forget(pid);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
    const char *reason = strerror(why.error);
    if (why.protecting) return fail(failure, "%s: cannot make its paths read-only: %s", program->name, reason);
    return fail(failure, "%s: cannot execute %s: %s", program->name, program->argv[0], reason);
  }
  child->pid = pid;
  /* The process is not reaped yet, so its start time is still there even if it has ended already. */
  if (!process_start_time(pid, child->start_time)) {
    kill(-pid, SIGKILL);
    return fail(failure, "%s: its start time cannot be read", program->name);
  }
  return true;
}

bool child_start(struct child *child, const struct program *program, const struct passed_descriptor *passed,
                 size_t passed_count, struct failure *failure) {
  *child = (struct child){.program = program};
  int log = open_log(program, &child->log_start, failure);
  if (log < 0) return false;
  bool started = run(child, log, passed, passed_count, failure);
  close(log);
  return started;
}

bool child_runs(const struct child *child) { return child->pid > 0 && !child->ended; }

void child_kill_group(const struct child *child, int signum) {
  if (child_runs(child)) kill(-child->pid, signum);
}

void child_describe_end(const struct child *child, char *text, size_t capacity) {
  if (WIFSIGNALED(child->wait_status)) {
    snprintf(text, capacity, "was killed by signal %d", WTERMSIG(child->wait_status));
  } else {
    snprintf(text, capacity, "exited with code %d", WEXITSTATUS(child->wait_status));
  }
}
