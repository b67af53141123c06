#include "process.h"

#include "capabilities.h"
#include "launch.h"
#include "log.h"
#include "offspring.h"
#include "session.h"
#include "start_report.h"
#include "terminal.h"
#include "wait.h"
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

// How long what a process has started may go on with its output after its end: as long as it takes a pipeline to end.
enum { GRACE_MILLISECONDS = 100 };

// What two full pipes hold, and room to see that nothing follows.
enum { LAST_OUTPUT = 512 * 1024 + 1 };

static struct process *processes;
static size_t count;
static uint64_t last_id;

uint64_t process_next_id(void) { return ++last_id; }

struct process *process_find(uint64_t id) {
  struct process *process = processes;
  while (process != NULL && process->id != id) process = process->next;
  return process;
}

const struct fault *process_get(uint64_t id, struct process **process) {
  *process = process_find(id);
  if (*process != NULL) return NULL;
  if (id == WORKLOAD) return fault(FAILURE_KIND_NOT_FOUND, "no workload was started");
  return fault(id <= last_id ? FAILURE_KIND_GONE : FAILURE_KIND_NOT_FOUND, "there is no such process (any more)");
}

void process_each(void (*call)(struct process *)) {
  for (struct process *process = processes, *next; process != NULL; process = next) {
    next = process->next;
    call(process);
  }
}

static void close_stdio(struct process *process) {
  for (int i = 0; i < 3; i++) {
    if (process->stdio[i] >= 0) close(process->stdio[i]);
    process->stdio[i] = -1;
  }
}

static int open_null(void) { return open("/dev/null", O_RDWR | O_CLOEXEC); }

static bool open_output(struct process *process, int number) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return false;
  output_prepare(ends[0]);
  process->stdio[number] = ends[1];
  output_open(&process->outputs[number - 1], process, ends[0], (uint8_t)(number - 1));
  return true;
}

static bool open_input(struct process *process) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return false;
  output_prepare(ends[1]);
  process->stdio[0] = ends[0];
  input_open(&process->input, process, ends[1], false);
  return true;
}

// A terminal's ends come when it has been opened in the container.
static bool open_stdio(struct process *process, const struct spec *spec) {
  if (spec->has_tty) {
    for (int i = 0; i < 3; i++) {
      if ((process->stdio[i] = open_null()) < 0) return false;
    }
    return true;
  }
  if (spec->has_stdin ? !open_input(process) : (process->stdio[0] = open_null()) < 0) return false;
  return open_output(process, 1) && open_output(process, 2);
}

const struct fault *process_new(const struct process_kind *kind, uint64_t id, const struct spec *spec,
                                struct process **result) {
  if (count >= MOST_PROCESSES) return fault(FAILURE_KIND_EXHAUSTED, "there are %d processes already", MOST_PROCESSES);
  struct process *process = calloc(1, sizeof *process);
  if (process == NULL) return fault(FAILURE_KIND_EXHAUSTED, "out of memory");
  *process = (struct process){.kind = kind,
                              .id = id,
                              .next = processes,
                              .is_legacy = spec->legacy,
                              .has_tty = spec->has_tty,
                              .has_plain_leaf = !capabilities_can_mount(spec->capabilities),
                              .report = {.fd = -1},
                              .stdio = {-1, -1, -1},
                              .outputs = {OUTPUT_CLOSED, OUTPUT_CLOSED},
                              .input = INPUT_CLOSED};
  process->input.process = process;
  processes = process;
  count++;
  spool_open(&process->spool, spec->spool_bytes, spec->when_full == WHEN_FULL_DROP_OLDEST);
  if (!cgroup_make(id, process->leaf) || !open_stdio(process, spec)) {
    int error = errno;
    process_free(process);
    return fault(failure_kind_of(error), "cannot make pipes and a cgroup: %s", strerror(error));
  }
  *result = process;
  return NULL;
}

void process_free(struct process *process) {
  wait_answer(process);
  session_end(process);
  loop_close(&process->report);
  close_stdio(process);
  for (int i = 0; i < 2; i++) output_close(&process->outputs[i]);
  input_close(&process->input);
  timer_stop(&process->grace);
  timer_stop(&process->completion);
  spool_free(&process->spool);
  if (process->leaf[0] != '\0') cgroup_remove(process->leaf);
  free(process->failure);
  struct process **at = &processes;
  while (*at != process) at = &(*at)->next;
  *at = process->next;
  count--;
  free(process);
}

static void note_failure(struct process *process, const struct fault *failure) {
  if (process->failure != NULL) return;
  process->failure = malloc(sizeof *process->failure);
  if (process->failure != NULL) *process->failure = *failure;
}

static void take_terminal(struct process *process, int master) {
  int second = fcntl(master, F_DUPFD_CLOEXEC, 3);
  if (!process->has_tty || process->outputs[0].source.fd >= 0 || second < 0) {
    close(master);
    if (second >= 0) close(second);
    return;
  }
  output_prepare(master);
  output_open(&process->outputs[0], process, master, OUTPUT_STREAM_STDOUT);
  input_open(&process->input, process, second, true);
}

static void report_ready(struct source *source, uint32_t events) {
  (void)events;
  struct process *process = (struct process *)source;
  struct start_report report;
  start_receive(source->fd, &report);
  if (report.fd >= 0 && report.kind != START_TERMINAL) close(report.fd);
  switch (report.kind) {
    case START_NOTHING_YET:
    case START_CONTAINER: return;
    case START_TERMINAL: return take_terminal(process, report.fd);
    case START_EXECUTES:
      process->executes = true;
      process->seen_pid = report.pid;
      return;
    case START_FAILURE: return note_failure(process, &report.failure);
    case START_END:
      loop_close(source);
      return process_settle(process);
  }
}

void process_adopt(struct process *process, pid_t pid, int report) {
  process->pid = pid;
  process->state = PROCESS_STARTING;
  close_stdio(process);
  if (loop_add(&process->report, report, EPOLLIN, report_ready)) return;
  close(report);
  process_fail(process, fault(FAILURE_KIND_EXHAUSTED, "the agent cannot watch the new process: %m"));
}

const struct fault *process_launch(struct process *process, const struct spec *spec, int init) {
  int report[2];
  if (!start_pair(report)) return fault_errno("cannot make a socket");
  pid_t child = offspring_within(process->leaf, init);
  if (child == 0) {
    struct launch launch = {.spec = spec, .report = report[1], .init = init, .is_console = process->id == WORKLOAD};
    memcpy(launch.stdio, process->stdio, sizeof launch.stdio);
    launch_main(&launch);
  }
  int error = errno;
  close(report[1]);
  if (child < 0) {
    close(report[0]);
    return fault(failure_kind_of(error), "cannot make a process in the container: %s", strerror(error));
  }
  process_adopt(process, child, report[0]);
  return NULL;
}

void process_fail(struct process *process, const struct fault *failure) {
  note_failure(process, failure);
  loop_close(&process->report);
  if (process->state == PROCESS_NEW || process->state == PROCESS_STARTING) process->state = PROCESS_FAILED;
  if (process->pid > 0 && !process->is_reaped) kill(process->pid, SIGKILL);
  process_settle(process);
}

// Completion is never under somebody who still uses the process.
static void complete(struct timer *timer) {
  struct process *process = (struct process *)((char *)timer - offsetof(struct process, completion));
  if (process->state == PROCESS_FAILED) {
    session_tell_failure(process);
    process->kind->completed(process);
    return;
  }
  process->state = PROCESS_EXITED;
  // What is still to be said of it is noted. The workload's leaf is there for the next workload.
  if (process->id != WORKLOAD) cgroup_retire(process->leaf, process->has_plain_leaf);
  wait_answer(process);
  session_pump(process);
}

// The last output finds room, so that the end need not wait for a host. Given while others still wrote, it would be
// theirs.
static void give_last_room(struct process *process) {
  if (process->has_last_room) return;
  process->has_last_room = true;
  process->spool.limit += LAST_OUTPUT;
  session_pump(process);
}

static void finish_output(struct timer *timer) {
  struct process *process = (struct process *)((char *)timer - offsetof(struct process, grace));
  give_last_room(process);
  for (int i = 0; i < 2; i++) output_finish(&process->outputs[i]);
}

static void take_end(struct process *process) {
  bool is_killed = process_code(process) == 128 + SIGKILL;
  process->is_oom_killed = is_killed && cgroup_oom_kills(process->leaf) > 0;
  process->state = PROCESS_ENDED;
  input_close(&process->input);
  process->kind->ended(process);
  session_pump(process);
  if (process->id != WORKLOAD) timer_start(&process->grace, GRACE_MILLISECONDS, finish_output);
}

void process_settle(struct process *process) {
  if (process->state == PROCESS_STARTING && process->report.fd < 0) {
    if (process->executes && process->failure == NULL) {
      process->state = PROCESS_RUNNING;
      process->kind->began(process);
      session_tell_start(process);
      session_pump(process);
    } else {
      process_fail(process, fault(FAILURE_KIND_INTERNAL, "the process ended before the program ran"));
      return;
    }
  }
  bool is_gone = process->pid == 0 || process->is_reaped;
  if (process->state == PROCESS_RUNNING && is_gone) take_end(process);
  if (process->state == PROCESS_ENDED && process->id == WORKLOAD && process->kind->is_over(process)) {
    give_last_room(process);
  }
  bool is_drained = process->outputs[0].source.fd < 0 && process->outputs[1].source.fd < 0;
  bool is_complete = (process->state == PROCESS_FAILED && is_gone) || (process->state == PROCESS_ENDED && is_drained);
  if (is_complete && process->kind->is_over(process)) timer_start(&process->completion, 0, complete);
}

bool process_child_ended(pid_t pid, int status) {
  struct process *process = processes;
  while (process != NULL && (process->pid != pid || process->is_reaped)) process = process->next;
  if (process == NULL) return false;
  process->is_reaped = true;
  process->status = status;
  process_settle(process);
  return true;
}

void process_output_came(struct process *process) { session_pump(process); }

void process_output_ended(struct process *process) { process_settle(process); }

int process_code(const struct process *process) {
  return WIFSIGNALED(process->status) ? 128 + WTERMSIG(process->status) : WEXITSTATUS(process->status);
}

struct message process_exit_message(const struct process *process) {
  bool is_signaled = WIFSIGNALED(process->status);
  struct process_exited_message exited = {
      .process = process->id,
      .code = process_code(process),
      .signal = {.present = is_signaled, .value = is_signaled ? WTERMSIG(process->status) : 0},
      .oom_killed = process->is_oom_killed,
      .output_end = process->spool.end,
      .dropped_bytes = process->spool.dropped,
  };
  return (struct message){.tag = TAG_PROCESS_EXITED, .process_exited = exited};
}

// Some kernels kill at once what is made in a cgroup that was killed before.
static void kill_leaf(struct process *process) {
  process->has_plain_leaf = false;
  cgroup_kill(process->leaf);
}

const struct fault *process_signal(struct process *process, int32_t signum, enum signal_target target) {
  if (signum < 1 || signum > 64) {
    return fault(FAILURE_KIND_INVALID, "%d is no signal number (1 to 64)", signum);
  }
  if (process->state < PROCESS_RUNNING) return fault(FAILURE_KIND_CONFLICT, "the process does not run yet");
  if (target == SIGNAL_TARGET_ALL) {
    // What it has started may still run when it has ended.
    if (signum == SIGKILL) {
      kill_leaf(process);
    } else {
      cgroup_signal(process->leaf, signum, workload_init());
    }
    return NULL;
  }
  if (process->is_reaped) return fault(FAILURE_KIND_GONE, "the process has ended");
  // Not reaped, it still has its number.
  if (kill(target == SIGNAL_TARGET_GROUP ? -process->pid : process->pid, signum) == 0) return NULL;
  return fault(errno == ESRCH ? FAILURE_KIND_GONE : FAILURE_KIND_INTERNAL, "cannot signal it: %m");
}

void process_kill(struct process *process) {
  if (process->pid > 0 && !process->is_reaped) kill(process->pid, SIGKILL);
  kill_leaf(process);
}

const struct fault *process_resize(struct process *process, const struct tty_size *size) {
  if (!process->has_tty) return fault(FAILURE_KIND_INVALID, "the process has no terminal");
  if (process->outputs[0].source.fd < 0) return fault(FAILURE_KIND_GONE, "the process's terminal is closed");
  if (terminal_resize(process->outputs[0].source.fd, size)) return NULL;
  return fault(FAILURE_KIND_INTERNAL, "cannot resize the terminal: %m");
}
