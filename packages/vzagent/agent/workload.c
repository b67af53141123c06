#include "workload.h"

#include "container.h"
#include "freeze.h"
#include "init.h"
#include "log.h"
#include "offspring.h"
#include "session.h"
#include "share.h"
#include "start_report.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOST_SHARES = 64 };

static struct {
  struct source report;     // of init, while it assembles the container; the first member, for `report_ready`
  struct process *process;  // also when it has ended, until it is collected or there is another
  struct spec spec;         // until the program is started
  pid_t init;               // 0 while there is none
  int init_fd;
  bool has_own_init;        // a reaping one beside the program
  int init_channel;         // where that waits for the program's number; -1 when it has it
  bool is_assembled;
  int stop_signal;
  void (*when_gone)(void);
} workload = {.report = {.fd = -1}, .init_fd = -1, .init_channel = -1};

static struct share *shares;  // MOST_SHARES, from the first on
static size_t share_count;

pid_t workload_init(void) { return workload.init; }

int workload_init_fd(void) { return workload.is_assembled ? workload.init_fd : -1; }

int workload_stop_signal(void) { return workload.stop_signal; }

bool workload_is_there(void) {
  bool is_over = workload.process == NULL || workload.process->state == PROCESS_EXITED;
  return !is_over || workload.init != 0;
}

void workload_when_gone(void (*call)(void)) { workload.when_gone = call; }

void workload_kill(void) {
  if (workload.init > 0) kill(workload.init, SIGKILL);
}

static void close_descriptor(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

static void forget_container(void) {
  loop_close(&workload.report);
  close_descriptor(&workload.init_fd);
  close_descriptor(&workload.init_channel);
  spec_free(&workload.spec);
  workload.init = 0;
  workload.is_assembled = false;
  share_count = 0;
  freeze_forget();
}

// The program runs: from here on its init passes signals on.
static void began(struct process *process) {
  if (workload.init_channel >= 0) start_answer(workload.init_channel, process->seen_pid);
  close_descriptor(&workload.init_channel);
  spec_free(&workload.spec);
  container_keep(workload.init);
}

// With init, everything in its PID namespace ends, and so does every output.
static void ended(struct process *process) {
  (void)process;
  workload_kill();
}

static bool is_over(const struct process *process) {
  // A start that fails takes its init along.
  if (process->state == PROCESS_FAILED) workload_kill();
  return workload.init == 0;
}

static void completed(struct process *process) {
  void (*when_gone)(void) = workload.when_gone;
  workload.when_gone = NULL;
  if (process->state == PROCESS_FAILED || process->is_legacy) {
    workload.process = NULL;
    process_free(process);
  }
  if (when_gone != NULL) when_gone();
}

static void lost(struct process *process) {
  // Its output is kept for the next host. For an earlier generation's there is no next: it is forgotten with its end.
  session_pump(process);
}

static const struct process_kind kind = {
    .began = began, .ended = ended, .is_over = is_over, .completed = completed, .lost = lost};

bool workload_child_ended(pid_t pid, int status) {
  if (pid != workload.init || workload.init == 0) return false;
  struct process *process = workload.process;
  bool is_program = process != NULL && process->pid == pid;
  bool was_assembled = workload.is_assembled;
  forget_container();
  if (is_program) return process_child_ended(pid, status);
  if (process == NULL) return true;
  if (!was_assembled) {
    process_fail(process, fault(FAILURE_KIND_INTERNAL, "the container's init ended before the program ran"));
  } else {
    process_settle(process);
  }
  return true;
}

static void launch(void) {
  int report = loop_release(&workload.report);
  workload.is_assembled = true;
  if (!workload.has_own_init) {
    // Init goes on as the program, and reports on it.
    start_answer(report, 0);
    process_adopt(workload.process, workload.init, report);
    return;
  }
  workload.init_channel = report;
  const struct fault *failed = process_launch(workload.process, &workload.spec, workload.init_fd);
  if (failed != NULL) process_fail(workload.process, failed);
}

static void report_ready(struct source *source, uint32_t events) {
  (void)events;
  struct start_report report;
  start_receive(source->fd, &report);
  if (report.fd >= 0) close(report.fd);
  switch (report.kind) {
    case START_NOTHING_YET: return;
    case START_CONTAINER: return launch();
    case START_FAILURE: return process_fail(workload.process, &report.failure);
    default: return loop_close(source);  // it has ended, which is noticed elsewhere
  }
}

static const struct fault *clone_init(const struct container *container) {
  int report[2], null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0 || !start_pair(report)) {
    close_descriptor(&null);
    return fault_errno("cannot make a socket");
  }
  pid_t child = offspring_init(workload.process->leaf);
  if (child == 0) {
    struct init_task task = {.container = container, .report = report[1]};
    task.program = workload.has_own_init ? NULL : &workload.spec;
    for (int i = 0; i < 3; i++) task.stdio[i] = workload.has_own_init ? null : workload.process->stdio[i];
    init_main(&task);
  }
  int error = errno;
  close(null);
  close(report[1]);
  if (child > 0) {
    workload.init = child;
    workload.init_fd = (int)syscall(SYS_pidfd_open, child, 0);
    if (workload.init_fd >= 0 && loop_add(&workload.report, report[0], EPOLLIN, report_ready)) return NULL;
    error = errno;
  }
  close(report[0]);
  return fault(failure_kind_of(error), "cannot make the container's processes: %s", strerror(error));
}

// Takes the spec over. What fails after the entry is made is told by way of it.
static const struct fault *start(struct connection *connection, struct spec *spec, const struct container *container,
                                 const struct limits *limits) {
  // One that has ended and was not collected makes room: it is its host that asks.
  if (workload.process != NULL) process_free(workload.process);
  workload.process = NULL;
  const struct fault *failed = cgroups_limit(limits);
  if (failed == NULL) failed = process_new(&kind, WORKLOAD, spec, &workload.process);
  if (failed != NULL) {
    spec_free(spec);
    return failed;
  }
  workload.spec = *spec;
  session_begin(workload.process, connection);
  failed = clone_init(container);
  if (failed == NULL) return NULL;
  if (workload.init == 0) forget_container();
  process_fail(workload.process, failed);
  return NULL;
}

static const struct fault *check_idle(const struct connection *connection) {
  if (workload_is_there()) return fault(FAILURE_KIND_CONFLICT, "a workload is running already");
  if (connection->role != NULL) return fault(FAILURE_KIND_CONFLICT, "this connection has another part already");
  return NULL;
}

void workload_start(struct connection *connection, const struct message *message) {
  const struct start_message *request = &message->start;
  struct spec spec;
  struct container container;
  const struct fault *failed = check_idle(connection);
  if (failed == NULL && (request->stop_signal < 0 || request->stop_signal > 64)) {
    failed = fault(FAILURE_KIND_INVALID, "%d is no signal number (1 to 64)", request->stop_signal);
  }
  if (failed == NULL) failed = spec_of_process(&request->process_spec, &spec);
  if (failed != NULL) return connection_send_fault(connection, failed);
  failed = container_describe(request, &container);
  if (failed != NULL) {
    spec_free(&spec);
    return connection_send_fault(connection, failed);
  }
  workload.has_own_init = request->init;
  workload.stop_signal = request->stop_signal == 0 ? SIGTERM : request->stop_signal;
  failed = start(connection, &spec, &container, &request->limits);
  container_free(&container);
  if (failed != NULL) connection_send_fault(connection, failed);
}

void workload_run(struct connection *connection, const struct message *message) {
  struct spec spec;
  struct container container;
  const struct limits no_limits = {0};
  const struct fault *failed = check_idle(connection);
  if (failed == NULL) failed = spec_of_run(&message->run, &spec);
  if (failed != NULL) return connection_send_error(connection, "Run: %s", failed->text);
  failed = container_describe_run(shares, share_count, &container);
  if (failed != NULL) {
    spec_free(&spec);
  } else {
    workload.has_own_init = true;
    workload.stop_signal = SIGTERM;
    failed = start(connection, &spec, &container, &no_limits);
    container_free(&container);
  }
  if (failed != NULL) connection_send_error(connection, "Run: %s", failed->text);
}

void workload_signal(struct connection *connection, const struct message *message) {
  int32_t signum = message->signal.signum;
  bool is_running = workload.process != NULL && workload.process->state == PROCESS_RUNNING;
  if (signum < 1 || signum > 64) {
    connection_send_error(connection, "Signal: %d is no signal number (1 to 64)", signum);
  } else if (!is_running) {
    connection_send_error(connection, "Signal: no workload is running");
  } else {
    const struct fault *failed = process_signal(workload.process, signum, SIGNAL_TARGET_PROCESS);
    if (failed != NULL) connection_send_error(connection, "Signal: %s", failed->text);
  }
}

void workload_mount(struct connection *connection, const struct message *message) {
  const struct mount_message *mount = &message->mount;
  if (workload_is_there()) {
    connection_send_error(connection, "Mount: the workload has been started; mounts come before Run");
  } else if (share_count == MOST_SHARES) {
    connection_send_error(connection, "Mount: more than %d shares", MOST_SHARES);
  } else if (mount->tag.length == 0 || mount->tag.length >= sizeof shares[0].tag || !slice_is_text(mount->tag)) {
    connection_send_error(connection, "Mount: a tag has 1 to 36 bytes");
  } else if (mount->target.length == 0 || mount->target.length >= sizeof shares[0].target ||
             mount->target.data[0] != '/' || !slice_is_text(mount->target)) {
    connection_send_error(connection, "Mount: the target is not an absolute path of at most 4095 bytes");
  } else if (shares == NULL && (shares = calloc(MOST_SHARES, sizeof *shares)) == NULL) {
    connection_send_error(connection, "Mount: no memory");
  } else {
    struct share *share = &shares[share_count++];
    *share = (struct share){.readonly = mount->readonly};
    memcpy(share->tag, mount->tag.data, mount->tag.length);
    memcpy(share->target, mount->target.data, mount->target.length);
  }
}
