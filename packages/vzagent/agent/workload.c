#include "workload.h"

#include "init.h"
#include "log.h"
#include "output.h"
#include "share.h"
#include "start_report.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_SHARES = 64 };

enum state {
  IDLE,
  STARTING,  // the new processes have not yet said whether the program runs
  FAILED,    // they said it does not; init is being ended
  RUNNING,
};

static struct {
  enum state state;
  struct connection *connection;  // the one that sent Run; null when it is lost
  pid_t init;
  bool init_ended;
  int init_status;
  pid_t pid;
  int pidfd;  // of the workload's process; -1 while there is none
  struct source report;
  char failure[START_TEXT];
  struct output output[2];  // stdout and stderr
  struct input input;
} workload = {.pidfd = -1, .report = {.fd = -1}, .output = {OUTPUT_CLOSED, OUTPUT_CLOSED}, .input = INPUT_CLOSED};

static struct share shares[MOST_SHARES];
static size_t share_count;

static int exit_code(int status) { return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status); }

static void forget(void) {
  loop_close(&workload.report);
  for (int i = 0; i < 2; i++) output_close(&workload.output[i]);
  input_close(&workload.input);
  if (workload.pidfd >= 0) close(workload.pidfd);
  workload.pidfd = -1;
  workload.init = 0;
  workload.pid = 0;
  workload.connection = NULL;
  workload.state = IDLE;
  share_count = 0;
}

static void fail(const char *reason) {
  if (workload.failure[0] == '\0') snprintf(workload.failure, sizeof workload.failure, "%s", reason);
  workload.state = FAILED;
  if (!workload.init_ended) kill(workload.init, SIGKILL);
}

static void began(void) {
  workload.state = RUNNING;
  if (workload.connection != NULL) {
    connection_send(workload.connection, &(struct message){.tag = TAG_STARTED, .pid = workload.pid});
  }
  for (int i = 0; i < 2; i++) output_resume(&workload.output[i], workload.connection);
}

static void ended(void) {
  struct connection *connection = workload.connection;
  int code = exit_code(workload.init_status);
  bool failed = workload.state == FAILED;
  if (connection == NULL) log_line("the workload ended with code %d and nobody to tell", code);
  // Everything is forgotten before the answer, so that the host's next Run finds the place free. Frames that waited
  // behind stdin are taken only after the answer, which is the last frame about this workload.
  input_abandon(&workload.input);
  forget();
  if (connection == NULL) return;
  if (failed) {
    connection_send_error(connection, "%s", workload.failure);
  } else {
    connection_send(connection, &(struct message){.tag = TAG_EXITED, .code = code});
  }
  connection_resume(connection);
}

// Moves on as far as what is known allows.
static void settle(void) {
  if (workload.state == STARTING && workload.report.fd < 0) {
    if (workload.pidfd >= 0 && workload.failure[0] == '\0') {
      began();
    } else {
      fail("the container's processes ended before the program ran");
    }
  }
  if (workload.state == FAILED && workload.init_ended) ended();
  if (workload.state != RUNNING || !workload.init_ended) return;
  bool drained = workload.output[0].source.fd < 0 && workload.output[1].source.fd < 0;
  if (drained || workload.connection == NULL) ended();
}

static void take_identity(pid_t pid) {
  // The process waits for the answer, so the number cannot yet be another's.
  workload.pid = pid;
  workload.pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
  if (workload.pidfd < 0) {
    fail("the agent cannot hold on to the workload's process");
    return;
  }
  start_go_on(workload.report.fd);
}

static void report_ready(struct source *source, uint32_t events) {
  (void)events;
  struct start_report report;
  start_receive(source->fd, &report);
  switch (report.kind) {
    case START_NOTHING_YET: return;
    case START_IDENTITY: return take_identity(report.pid);
    case START_FAILURE:
      if (workload.failure[0] == '\0') memcpy(workload.failure, report.text, sizeof workload.failure);
      return;
    case START_END:
      loop_close(&workload.report);
      return settle();
  }
}

static void output_ended(void) { settle(); }

// Ends of pipes and sockets for one start; -1 where there is none (any more).
struct ends {
  int input[2];
  int output[2];
  int error[2];
  int report[2];
};

static void close_pair(int pair[2]) {
  for (int i = 0; i < 2; i++) {
    if (pair[i] >= 0) close(pair[i]);
    pair[i] = -1;
  }
}

static void close_ends(struct ends *ends) {
  close_pair(ends->input);
  close_pair(ends->output);
  close_pair(ends->error);
  close_pair(ends->report);
}

static bool open_ends(struct ends *ends) {
  *ends = (struct ends){{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}};
  return pipe2(ends->input, O_CLOEXEC) == 0 && pipe2(ends->output, O_CLOEXEC) == 0 &&
         pipe2(ends->error, O_CLOEXEC) == 0 && start_pair(ends->report);
}

static pid_t clone_init(const struct ends *ends, const struct spec *spec) {
  unsigned long flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | SIGCHLD;
  // The bare call: this process has one thread and no state that a library would have to mend in the child.
  pid_t child = (pid_t)syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
  if (child != 0) return child;
  struct init_task task = {
      .spec = spec,
      .shares = shares,
      .share_count = share_count,
      .stdin_fd = ends->input[0],
      .stdout_fd = ends->output[1],
      .stderr_fd = ends->error[1],
      .report = ends->report[1],
  };
  init_main(&task);
}

// Hands the agent's ends over to the loop. Each is marked as gone from `ends` once its source owns it.
static bool watch(struct ends *ends) {
  if (!loop_add(&workload.report, ends->report[0], EPOLLIN, report_ready)) return false;
  ends->report[0] = -1;
  output_open(&workload.output[0], ends->output[0], TAG_STDOUT, output_ended);
  ends->output[0] = -1;
  output_open(&workload.output[1], ends->error[0], TAG_STDERR, output_ended);
  ends->error[0] = -1;
  input_open(&workload.input, ends->input[1]);
  ends->input[1] = -1;
  return true;
}

static void start(struct connection *connection, const struct spec *spec) {
  struct ends ends;
  if (!open_ends(&ends) || !watch(&ends)) {
    connection_send_error(connection, "Run: cannot make pipes: %s", strerror(errno));
    forget();
  } else if ((workload.init = clone_init(&ends, spec)) < 0) {
    connection_send_error(connection, "Run: cannot make the container's processes: %s", strerror(errno));
    forget();
  } else {
    workload.state = STARTING;
    workload.connection = connection;
    workload.init_ended = false;
    workload.failure[0] = '\0';
  }
  close_ends(&ends);
}

void workload_run(struct connection *connection, const struct run_message *run) {
  if (workload.state != IDLE) return connection_send_error(connection, "Run: a workload is running already");
  struct spec spec;
  const char *fault = spec_make(run, &spec);
  if (fault != NULL) return connection_send_error(connection, "Run: %s", fault);
  start(connection, &spec);
  spec_free(&spec);
}

void workload_signal(struct connection *connection, int32_t signum) {
  if (signum < 1 || signum > 64) {
    connection_send_error(connection, "Signal: %d is no signal number (1 to 64)", signum);
  } else if (workload.state != RUNNING) {
    connection_send_error(connection, "Signal: no workload is running");
  } else if (syscall(SYS_pidfd_send_signal, workload.pidfd, signum, NULL, 0) != 0) {
    const char *reason = errno == ESRCH ? "the workload has ended" : strerror(errno);
    connection_send_error(connection, "Signal: %s", reason);
  }
}

void workload_mount(struct connection *connection, const struct mount_message *mount) {
  if (workload.state != IDLE) {
    connection_send_error(connection, "Mount: the workload has been started; mounts come before Run");
  } else if (share_count == MOST_SHARES) {
    connection_send_error(connection, "Mount: more than %d shares", MOST_SHARES);
  } else if (mount->tag.length == 0 || mount->tag.length >= sizeof shares[0].tag || !slice_is_text(mount->tag)) {
    connection_send_error(connection, "Mount: a tag has 1 to 36 bytes");
  } else if (mount->target.length == 0 || mount->target.length >= sizeof shares[0].target ||
             mount->target.data[0] != '/' || !slice_is_text(mount->target)) {
    connection_send_error(connection, "Mount: the target is not an absolute path of at most 4095 bytes");
  } else {
    struct share *share = &shares[share_count++];
    *share = (struct share){.readonly = mount->readonly};
    memcpy(share->tag, mount->tag.data, mount->tag.length);
    memcpy(share->target, mount->target.data, mount->target.length);
  }
}

static bool owns_workload(struct connection *connection, const char *message) {
  if (workload.state != IDLE && workload.connection == connection) return true;
  connection_send_error(connection, "%s: this connection runs no workload", message);
  return false;
}

void workload_stdin(struct connection *connection, struct slice data) {
  if (!owns_workload(connection, "Stdin")) return;
  if (!input_write(&workload.input, data, connection)) connection_send_error(connection, "Stdin: it is closed");
}

void workload_stdin_end(struct connection *connection) {
  if (owns_workload(connection, "StdinEof")) input_end(&workload.input);
}

void workload_child_ended(pid_t pid, int status) {
  if (pid != workload.init || workload.state == IDLE) return;
  workload.init_ended = true;
  workload.init_status = status;
  settle();
}

void workload_host_caught_up(struct connection *connection) {
  if (workload.state != RUNNING || workload.connection != connection) return;
  for (int i = 0; i < 2; i++) output_resume(&workload.output[i], connection);
}

void workload_connection_lost(struct connection *connection) {
  if (workload.connection != connection) return;
  workload.connection = NULL;
  for (int i = 0; i < 2; i++) output_resume(&workload.output[i], NULL);
  input_abandon(&workload.input);
  settle();
}
