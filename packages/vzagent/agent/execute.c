#include "execute.h"

#include "freeze.h"
#include "session.h"
#include "workload.h"

// Processes that have ended and whose output or status somebody may still ask for.
enum { MOST_KEPT = 64 };

static uint64_t kept[MOST_KEPT];  // a ring
static size_t kept_count, kept_first;

static void keep(struct process *process) {
  for (size_t i = 0; i < kept_count; i++) {
    if (kept[(kept_first + i) % MOST_KEPT] == process->id) return;
  }
  if (kept_count == MOST_KEPT) {
    struct process *oldest = process_find(kept[kept_first]);
    kept_first = (kept_first + 1) % MOST_KEPT;
    kept_count--;
    if (oldest != NULL && oldest != process) process_free(oldest);
  }
  kept[(kept_first + kept_count++) % MOST_KEPT] = process->id;
}

static void began(struct process *process) { (void)process; }

static void ended(struct process *process) { (void)process; }

static bool is_over(const struct process *process) {
  (void)process;
  return true;
}

static void completed(struct process *process) {
  if (process->state == PROCESS_FAILED || process->is_legacy) return process_free(process);
  // Nobody comes back for the output of what ends with its connection; its status can be asked for.
  if (process->ends_alone || process->is_detached) spool_take(&process->spool, process->spool.end);
  keep(process);
}

static void lost(struct process *process) {
  if (process->ends_alone && process->state < PROCESS_EXITED) {
    process_kill(process);
    spool_take(&process->spool, process->spool.end);
  }
  session_pump(process);
}

static const struct process_kind kind = {
    .began = began, .ended = ended, .is_over = is_over, .completed = completed, .lost = lost};

static const struct fault *start(struct connection *connection, struct spec *spec, bool ends_alone) {
  struct process *process;
  int init = workload_init_fd();
  if (init < 0) return fault(FAILURE_KIND_GONE, "no workload is running");
  if (freeze_is_on()) return fault(FAILURE_KIND_CONFLICT, "the container is frozen");
  if (connection->role != NULL && !session_leave(connection)) {
    return fault(FAILURE_KIND_CONFLICT, "this connection has another part already");
  }
  const struct fault *failed = process_new(&kind, process_next_id(), spec, &process);
  if (failed != NULL) return failed;
  process->ends_alone = ends_alone;
  session_begin(process, connection);
  failed = process_launch(process, spec, init);
  if (failed != NULL) process_fail(process, failed);
  return NULL;
}

void execute(struct connection *connection, const struct message *message) {
  struct spec spec;
  const struct fault *failed = spec_of_process(&message->execute.process_spec, &spec);
  if (failed == NULL) {
    failed = start(connection, &spec, message->execute.when_lost == WHEN_LOST_END);
    spec_free(&spec);
  }
  if (failed != NULL) connection_send_fault(connection, failed);
}

static const struct fault *let_go(struct process *process) {
  if (process->id == WORKLOAD) return fault(FAILURE_KIND_CONFLICT, "the workload has no connection to live by");
  if (process->is_legacy) return fault(FAILURE_KIND_CONFLICT, "the process was started without the extensions");
  if (process->state < PROCESS_RUNNING) return fault(FAILURE_KIND_CONFLICT, "the process has not begun yet");
  process->ends_alone = false;
  process->is_detached = true;
  process->spool.drops_oldest = true;
  if (!process->has_tty) input_end(&process->input);
  session_take_away(process, "the process was detached");
  spool_take(&process->spool, process->spool.end);
  return NULL;
}

void detach(struct connection *connection, const struct message *message) {
  struct process *process;
  const struct fault *failed = process_get(message->detach.process, &process);
  if (failed == NULL) failed = let_go(process);
  if (failed != NULL) return connection_send_fault(connection, failed);
  connection_send(connection, &(struct message){.tag = TAG_DONE});
  // It may have waited for room, or have ended.
  session_pump(process);
}

void execute_legacy(struct connection *connection, const struct message *message) {
  struct spec spec;
  const struct fault *failed = spec_of_exec(&message->exec, &spec);
  if (failed == NULL) {
    failed = start(connection, &spec, true);
    spec_free(&spec);
  }
  if (failed != NULL) connection_send_error(connection, "Exec: %s", failed->text);
}
