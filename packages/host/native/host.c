#include "host.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guardian.h"
#include "log_tail.h"
#include "orphans.h"
#include "request.h"
#include "run_directory.h"
#include "status.h"

static void set_end(struct host *host, const char *reason, const char *message) {
  if (host->reason != NULL) return;
  host->reason = reason;
  fail(&host->message, "%s", message);
}

static void no_later(int64_t *deadline, int64_t at) {
  if (*deadline < 0 || at < *deadline) *deadline = at;
}

void host_stop(struct host *host, const char *reason, const char *why, int64_t grace_ms) {
  if (host->phase == STARTING) set_end(host, "start-failed", why);
  if (host->phase != RUNNING || !child_runs(&host->main)) return;
  set_end(host, reason, why);
  if (!host->stopping) kill(host->main.pid, SIGTERM);
  host->stopping = true;
  no_later(&host->kill_main_at, now_ms() + grace_ms);
}

/* "NAME exited with code 1", and with the last lines of its log, if it wrote any. */
static void describe_end(const struct child *child, const char *remark, struct failure *message) {
  char how[64];
  char tail[MAX_LOG_TAIL_BYTES + 1];
  child_describe_end(child, how, sizeof how);
  log_tail(child->program->log, child->log_start, tail);
  fail(message, "%s %s%s%s%s", child->program->name, how, remark, *tail == '\0' ? "" : "; its log ends with:\n", tail);
}

static const struct child *ended_helper(const struct host *host, bool with_failure) {
  for (size_t i = 0; i < host->config.helper_count; i++) {
    const struct child *helper = &host->helpers[i];
    if (helper->ended && (!with_failure || helper->wait_status != 0)) return helper;
  }
  return NULL;
}

static bool helpers_run(const struct host *host) {
  for (size_t i = 0; i < host->config.helper_count; i++) {
    if (child_runs(&host->helpers[i])) return true;
  }
  return false;
}

static void signal_helpers(const struct host *host, int signum) {
  for (size_t i = 0; i < host->config.helper_count; i++) child_kill_group(&host->helpers[i], signum);
}

static struct child *child_of(struct host *host, pid_t pid) {
  if (host->main.pid == pid) return &host->main;
  for (size_t i = 0; i < host->config.helper_count; i++) {
    if (host->helpers[i].pid == pid) return &host->helpers[i];
  }
  return NULL;
}

/* Takes the status of every process that has ended, orphans included. */
static void reap(struct host *host) {
  for (;;) {
    siginfo_t info = {0};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
    struct child *child = child_of(host, info.si_pid);
    if (child != NULL) {
      /* While the leader is not reaped its number cannot be another group's. */
      child_kill_group(child, SIGKILL);
      guardian_forget(child->pid);
    }
    int status;
    if (waitpid(info.si_pid, &status, 0) != info.si_pid || child == NULL) continue;
    child->ended = true;
    child->wait_status = status;
  }
}

static void helper_ended_while_starting(struct host *host) {
  const struct child *helper = ended_helper(host, false);
  if (helper == NULL || host->reason != NULL) return;
  host->reason = "start-failed";
  describe_end(helper, " before it was ready", &host->message);
}

static void helper_ended_while_running(struct host *host) {
  const struct child *failed = ended_helper(host, true);
  const struct child *helper = failed != NULL ? failed : ended_helper(host, false);
  if (helper == NULL || host->reason != NULL) return;
  if (failed == NULL) {
    no_later(&host->kill_main_at, now_ms() + MAIN_AFTER_HELPER_MS);
    return;
  }
  host->reason = "helper-died";
  describe_end(failed, "", &host->message);
  child_kill_group(&host->main, SIGKILL);
}

static void main_ended(struct host *host) {
  if (host->reason != NULL) return;
  const struct child *failed = ended_helper(host, true);
  if (failed != NULL && host->main.wait_status != 0) {
    host->reason = "helper-died";
    describe_end(failed, "", &host->message);
    return;
  }
  host->reason = "exited";
  if (host->main.wait_status != 0) {
    describe_end(&host->main, "", &host->message);
  } else {
    fail(&host->message, "%s exited with code 0", host->main.program->name);
  }
}

static void kill_main(struct host *host) {
  host->kill_main_at = -1;
  const struct child *helper = ended_helper(host, false);
  if (helper != NULL && host->reason == NULL) {
    host->reason = "helper-died";
    describe_end(helper, "", &host->message);
  }
  child_kill_group(&host->main, SIGKILL);
}

static void take_signals(struct host *host) {
  unsigned char signals[64];
  ssize_t got;
  while ((got = read(host->signals, signals, sizeof signals)) > 0) {
    for (ssize_t i = 0; i < got; i++) {
      if (signals[i] == SIGCHLD) continue;
      char why[64];
      snprintf(why, sizeof why, "the host received signal %d", signals[i]);
      host_stop(host, "stopped", why, host->config.stop_grace_ms);
    }
  }
  reap(host);
  if (host->phase == STARTING) helper_ended_while_starting(host);
  if (host->phase == RUNNING && !host->main.ended) helper_ended_while_running(host);
}

static void check_lifeline(struct host *host, short events) {
  char discarded[256];
  if (events == 0) return;
  bool open = (events & (POLLHUP | POLLERR | POLLNVAL)) == 0;
  if (open) {
    ssize_t got = read(host->lifeline, discarded, sizeof discarded);
    open = got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN));
  }
  if (open) return;
  close(host->lifeline);
  host->lifeline = -1;
  if (host->owner == OWNER_LAUNCHER) owner_gone(host);
}

static void try_connections(struct host *host) {
  struct failure failure = {0};
  if (!connector_try(&host->connector, &failure)) set_end(host, "start-failed", failure.message);
}

static void check_deadlines(struct host *host) {
  int64_t now = now_ms();
  if (host->phase == STARTING && host->reason == NULL && now >= host->start_deadline) {
    host->reason = "start-failed";
    fail(&host->message, "nobody listens on %s after %lld ms", connector_missing(&host->connector),
         (long long)host->config.start_timeout_ms);
  }
  if (host->kill_main_at >= 0 && now >= host->kill_main_at) kill_main(host);
  if (host->kill_helpers_at >= 0 && now >= host->kill_helpers_at) {
    host->kill_helpers_at = -1;
    signal_helpers(host, SIGKILL);
  }
}

static int time_to_wait(const struct host *host, int64_t until) {
  int64_t next = until;
  if (host->phase == STARTING) no_later(&next, host->start_deadline);
  const int64_t deadlines[] = {host->connector.retry_at, host->kill_main_at, host->kill_helpers_at};
  for (size_t i = 0; i < sizeof deadlines / sizeof *deadlines; i++) {
    if (deadlines[i] >= 0) no_later(&next, deadlines[i]);
  }
  if (host->control.accept_again_at != 0) no_later(&next, host->control.accept_again_at);
  if (next < 0) return -1;
  int64_t wait = next - now_ms();
  return wait < 0 ? 0 : (int)wait;
}

/* Waits for something to happen, but not beyond `until` (-1: for ever), and deals with it. */
static void step(struct host *host, int64_t until) {
  enum { SIGNALS, LINE, WATCH, OWN_SLOTS };
  struct pollfd slots[OWN_SLOTS + CONTROL_POLL_SLOTS];
  slots[SIGNALS] = (struct pollfd){.fd = host->signals, .events = POLLIN};
  slots[LINE] = (struct pollfd){.fd = host->lifeline, .events = POLLIN};
  slots[WATCH] = (struct pollfd){.fd = host->connector.watch, .events = POLLIN};
  control_before_poll(&host->control, &slots[OWN_SLOTS]);

  int ready = poll(slots, OWN_SLOTS + CONTROL_POLL_SLOTS, time_to_wait(host, until));
  if (ready > 0) {
    /* What has ended comes first, so that a request never acts on it. */
    if (slots[SIGNALS].revents != 0) take_signals(host);
    check_lifeline(host, slots[LINE].revents);
    if (slots[WATCH].revents != 0) try_connections(host);
    control_after_poll(&host->control, &slots[OWN_SLOTS]);
  }
  if (host->connector.retry_at >= 0 && now_ms() >= host->connector.retry_at) try_connections(host);
  check_deadlines(host);
}

static bool start_helpers(struct host *host, struct failure *failure) {
  for (size_t i = 0; i < host->config.helper_count; i++) {
    if (!child_start(&host->helpers[i], &host->config.helpers[i], NULL, 0, failure)) return false;
  }
  return true;
}

static bool open_connections(struct host *host, struct failure *failure) {
  if (!connector_open(&host->connector, &host->config, failure)) return false;
  while (host->reason == NULL && host->connector.waiting > 0) step(host, -1);
  return host->reason == NULL;
}

static bool start_main(struct host *host, struct failure *failure) {
  bool started = child_start(&host->main, &host->config.main, host->connector.connected,
                             host->config.connection_count, failure);
  connector_close(&host->connector);
  if (!started) return false;
  host->phase = RUNNING;
  return status_write(host, failure);
}

static bool start(struct host *host) {
  struct failure failure = {0};
  if (start_helpers(host, &failure) && open_connections(host, &failure) && start_main(host, &failure)) return true;
  connector_close(&host->connector);
  set_end(host, "start-failed", failure.message);
  return false;
}

/* The one line on the launcher's descriptor. If it cannot be written, the lifeline's end tells the rest. */
static void report(struct host *host, bool ready) {
  static char bytes[MAX_STATUS_BYTES];
  struct text line = {.bytes = bytes, .capacity = sizeof bytes};
  if (ready) {
    text_add(&line, "{\"ready\":true,\"pid\":");
    text_add_integer(&line, host->pid);
    text_add(&line, ",\"startTime\":");
    text_add_json(&line, host->start_time);
    text_add(&line, ",\"main\":{\"pid\":");
    text_add_integer(&line, host->main.pid);
    text_add(&line, ",\"startTime\":");
    text_add_json(&line, host->main.start_time);
    text_add(&line, "}}\n");
  } else {
    text_add(&line, "{\"ready\":false,\"error\":");
    text_add_json(&line, host->message.message);
    text_add(&line, "}\n");
  }
  if (host->lifeline >= 0 && write(host->lifeline, line.bytes, line.length) < 0) return;
}

static void end_children(struct host *host) {
  child_kill_group(&host->main, SIGKILL); /* runs only if something failed after its start */
  signal_helpers(host, SIGTERM);
  host->kill_helpers_at = now_ms() + HELPER_GRACE_MS;
  int64_t give_up_at = host->kill_helpers_at + KILLED_WAIT_MS;
  while ((helpers_run(host) || child_runs(&host->main)) && now_ms() < give_up_at) step(host, give_up_at);
  guardian_stop();
  end_orphans();
}

/* Leaves the status file and the logs, nothing else. */
static bool finish(struct host *host) {
  static char bytes[MAX_STATUS_BYTES];
  struct failure failure = {0};
  struct text event = {.bytes = bytes, .capacity = sizeof bytes};
  host->phase = ENDED;
  host->owner = OWNER_NONE;
  timestamp(host->ended_at);
  bool written = status_write(host, &failure);
  if (!written) fprintf(stderr, "zlayer-host: %s\n", failure.message);
  control_close_listener(&host->control);
  if (host->config.run_directory != NULL) remove_run_directory(host->config.run_directory);
  text_add(&event, "{\"event\":\"exited\",\"exit\":");
  status_add_exit(&event, host);
  text_add(&event, "}\n");
  control_finish(&host->control, event.bytes, event.length);
  return written;
}

int host_run(struct host *host) {
  host->start_deadline = now_ms() + host->config.start_timeout_ms;
  host->kill_main_at = -1;
  host->kill_helpers_at = -1;
  /* Not open yet, and never if a helper cannot be started. */
  host->connector.watch = -1;
  host->connector.retry_at = -1;
  timestamp(host->started_at);

  const struct control_handler handler = {host, request_answer, request_client_gone};
  if (!control_open(&host->control, host->config.control_socket, handler, &host->message)) {
    /* Whoever has the socket may also have the status file and the run directory: they are not ours to touch. */
    guardian_stop();
    report(host, false);
    return 1;
  }
  bool started = start(host);
  if (started) {
    report(host, true);
    while (child_runs(&host->main)) step(host, -1);
    main_ended(host);
  }
  host->phase = ENDING;
  host->kill_main_at = -1;
  end_children(host);
  bool written = finish(host);
  if (!started) report(host, false);
  return started && written ? 0 : 1;
}
