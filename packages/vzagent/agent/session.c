#include "session.h"

static void send_stdin_window(struct process *process, size_t bytes) {
  struct stdin_taken_message taken = {.bytes = (uint32_t)bytes};
  connection_send(process->connection, &(struct message){.tag = TAG_STDIN_TAKEN, .stdin_taken = taken});
}

void process_input_taken(struct process *process, size_t bytes) {
  if (process->connection == NULL || bytes == 0) return;
  if (!process->is_legacy) {
    send_stdin_window(process, bytes);
  } else if (bytes_length(&process->input.waiting) == 0) {
    connection_resume(process->connection);
  }
}

static void take_stdin(struct process *process, struct slice data) {
  struct connection *connection = process->connection;
  if (process->is_legacy) {
    bool is_open = process->input.source.fd >= 0 && !process->input.ending;
    if (!is_open) return connection_send_error(connection, "Stdin: it is closed");
    if (!input_write(&process->input, data)) return connection_finish(connection);
    // A host that knows of no window waits for its frames to be read.
    if (bytes_length(&process->input.waiting) > 0) connection_hold(connection);
    return;
  }
  bool is_open = process->input.source.fd >= 0;
  if (is_open && data.length > input_window(&process->input)) {
    connection_send_fault(connection, fault(FAILURE_KIND_INVALID, "more Stdin than the window allows"));
    connection_finish(connection);
  } else if (!input_write(&process->input, data)) {
    connection_send_fault(connection, fault(FAILURE_KIND_EXHAUSTED, "no memory for Stdin"));
    connection_finish(connection);
  }
}

static bool take(struct connection *connection, const struct message *message) {
  struct process *process = connection->owner;
  switch (message->tag) {
    case TAG_STDIN: take_stdin(process, message->data); return true;
    case TAG_STDIN_EOF: input_end(&process->input); return true;
    case TAG_OUTPUT_TAKEN:
      spool_take(&process->spool, message->output_taken.offset);
      session_pump(process);
      return true;
    default: return false;
  }
}

static void caught_up(struct connection *connection) { session_pump(connection->owner); }

static void lost(struct connection *connection) {
  struct process *process = connection->owner;
  session_end(process);
  process->kind->lost(process);
}

static const struct connection_role role = {.take = take, .caught_up = caught_up, .lost = lost};

void session_end(struct process *process) {
  if (process->connection == NULL) return;
  process->connection->role = NULL;
  process->connection->owner = NULL;
  process->connection = NULL;
}

bool session_leave(struct connection *connection) {
  struct process *process = connection->owner;
  if (connection->role != &role || process->state != PROCESS_EXITED || !process->is_told) return false;
  session_end(process);
  return true;
}

void session_take_away(struct process *process, const char *why) {
  struct connection *connection = process->connection;
  if (connection == NULL) return;
  session_end(process);
  connection_send_fault(connection, fault(FAILURE_KIND_CONFLICT, "%s", why));
  connection_resume(connection);
}

void session_begin(struct process *process, struct connection *connection) {
  if (process->connection != connection) session_take_away(process, "another connection took over");
  process->connection = connection;
  connection->role = &role;
  connection->owner = process;
}

void session_tell_start(struct process *process) {
  struct connection *connection = process->connection;
  if (connection == NULL) return;
  if (process->is_legacy) {
    connection_send(connection, &(struct message){.tag = TAG_STARTED, .started.pid = process->pid});
    return;
  }
  struct process_started_message started = {
      .process = process->id,
      .pid = process->seen_pid,
      .output_offset = process->sent,
      .stdin_window = input_window(&process->input),
  };
  connection_send(connection, &(struct message){.tag = TAG_PROCESS_STARTED, .process_started = started});
}

void session_tell_failure(struct process *process) {
  struct connection *connection = process->connection;
  if (connection == NULL || process->failure == NULL) return;
  session_end(process);
  if (process->is_legacy) {
    connection_send_error(connection, "%s", process->failure->text);
  } else {
    connection_send_fault(connection, process->failure);
  }
  connection_resume(connection);
}

// False when the transport does not take it now.
static bool send_piece(struct process *process, const struct spool_piece *piece) {
  struct connection *connection = process->connection;
  if (process->is_legacy) {
    uint8_t tag = piece->stream == OUTPUT_STREAM_STDOUT ? TAG_STDOUT : TAG_STDERR;
    if (!connection_offer(connection, &(struct message){.tag = tag}, piece->data)) return false;
    // There is no acknowledgement: what is sent is gone.
    spool_take(&process->spool, piece->offset + piece->data.length);
    return true;
  }
  struct output_message output = {.stream = piece->stream, .offset = piece->offset, .unix_micros = piece->unix_micros};
  return connection_offer(connection, &(struct message){.tag = TAG_OUTPUT, .output = output}, piece->data);
}

static bool may_send(const struct process *process) {
  bool has_begun = process->state >= PROCESS_RUNNING;
  return has_begun && process->connection != NULL && !process->connection->broken &&
         !process->connection->is_waited_for && !connection_is_full(process->connection);
}

static void send_output(struct process *process) {
  struct spool_piece piece;
  while (may_send(process)) {
    if (process->sent < process->spool.first) process->sent = process->spool.first;
    if (!spool_at(&process->spool, process->sent, &piece)) return;
    if (!send_piece(process, &piece)) return;
    process->sent += piece.data.length;
  }
}

static void send_exit(struct process *process) {
  if (process->state != PROCESS_EXITED || process->is_told || !may_send(process)) return;
  if (process->sent < process->spool.end) return;
  process->is_told = true;
  struct connection *connection = process->connection;
  if (process->is_legacy) {
    session_end(process);
    connection_send(connection, &(struct message){.tag = TAG_EXITED, .exited.code = process_code(process)});
    connection_resume(connection);
  } else {
    struct message message = process_exit_message(process);
    connection_send(connection, &message);
  }
}

void session_pump(struct process *process) {
  // What is read below comes here again.
  if (process->is_pumping) return;
  process->is_pumping = true;
  for (;;) {
    send_output(process);
    uint64_t end = process->spool.end;
    for (int i = 0; i < 2; i++) output_resume(&process->outputs[i]);
    if (process->spool.end == end || !may_send(process)) break;
  }
  send_exit(process);
  process->is_pumping = false;
  if (process->state == PROCESS_EXITED && (process->is_told || process->connection == NULL)) {
    process->kind->completed(process);
  }
}

void attach(struct connection *connection, const struct message *message) {
  const struct attach_message *request = &message->attach;
  struct process *process;
  const struct fault *failed = process_get(request->process, &process);
  if (failed == NULL && connection->role != NULL) {
    failed = fault(FAILURE_KIND_CONFLICT, "this connection has another part already");
  }
  if (failed == NULL && (process->state < PROCESS_RUNNING || process->is_legacy)) {
    failed = fault(FAILURE_KIND_CONFLICT, "the process cannot be attached to");
  }
  if (failed == NULL && request->offset.present && request->offset.value > process->spool.end) {
    failed = fault(FAILURE_KIND_INVALID, "the process has written less output than that");
  }
  if (failed != NULL) return connection_send_fault(connection, failed);
  session_begin(process, connection);
  process->is_told = false;
  process->sent = request->offset.present && request->offset.value > process->spool.first ? request->offset.value
                                                                                         : process->spool.first;
  session_tell_start(process);
  session_pump(process);
}
