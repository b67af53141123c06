#include "wait.h"

#include <stdlib.h>

enum { MOST_WAITING = 16384 };

struct waiting {
  struct waiting *next;
  struct connection *connection;
  uint64_t process;
};

static struct waiting *all;
static size_t count;

static void answer(struct connection *connection, const struct process *process) {
  if (process->state == PROCESS_EXITED) {
    struct message message = process_exit_message(process);
    connection_send(connection, &message);
  } else {
    connection_send_fault(connection, fault(FAILURE_KIND_GONE, "the process did not start"));
  }
}

void wait_for(struct connection *connection, const struct message *message) {
  struct process *process;
  const struct fault *failed = process_get(message->wait.process, &process);
  if (failed != NULL) return connection_send_fault(connection, failed);
  if (process->state == PROCESS_EXITED) return answer(connection, process);
  struct waiting *waiting = count < MOST_WAITING ? malloc(sizeof *waiting) : NULL;
  if (waiting == NULL) return connection_send_fault(connection, fault(FAILURE_KIND_EXHAUSTED, "too many wait already"));
  *waiting = (struct waiting){.next = all, .connection = connection, .process = process->id};
  all = waiting;
  count++;
}

static void remove_at(struct waiting **at) {
  struct waiting *waiting = *at;
  *at = waiting->next;
  free(waiting);
  count--;
}

void wait_answer(const struct process *process) {
  for (struct waiting **at = &all; *at != NULL;) {
    if ((*at)->process != process->id) {
      at = &(*at)->next;
      continue;
    }
    struct connection *connection = (*at)->connection;
    remove_at(at);
    answer(connection, process);
  }
}

void wait_connection_lost(struct connection *connection) {
  for (struct waiting **at = &all; *at != NULL;) {
    if ((*at)->connection == connection) {
      remove_at(at);
    } else {
      at = &(*at)->next;
    }
  }
}
