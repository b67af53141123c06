// Processes that the host started in the container: the workload, which is process 0, and what is executed beside it.
#ifndef VZAGENT_PROCESS_H
#define VZAGENT_PROCESS_H

#include "cgroups.h"
#include "connection.h"
#include "input.h"
#include "output.h"
#include "spec.h"
#include "spool.h"

#include <sys/types.h>

enum { WORKLOAD = 0, MOST_PROCESSES = 4096 };

enum process_state {
  PROCESS_NEW,       // not made yet
  PROCESS_STARTING,  // it has not yet said whether the program runs
  PROCESS_FAILED,    // it said that it does not; its end is awaited
  PROCESS_RUNNING,
  PROCESS_ENDED,     // output may still come
  PROCESS_EXITED,    // status and output are complete
};

struct process;

// What the workload and executed processes do differently.
struct process_kind {
  // The program runs.
  void (*began)(struct process *process);
  // The process has ended: output may still come.
  void (*ended)(struct process *process);
  // Whether nothing but its output is awaited of an ended process.
  bool (*is_over)(const struct process *process);
  // Exited or failed, and its host, if it has one, was told; again whenever that host takes output. `process_free` is
  // in order.
  void (*completed)(struct process *process);
  // Its connection is lost.
  void (*lost)(struct process *process);
};

struct process {
  struct source report;  // while it is being started
  struct process *next;
  const struct process_kind *kind;
  uint64_t id;
  enum process_state state;
  bool is_legacy;   // its host speaks tags 1 to 14 with it
  bool ends_alone;  // it ends when its connection is lost
  bool is_detached;  // nobody comes back for its output
  bool has_tty;
  bool executes;    // it has said so
  bool is_pumping;
  pid_t pid;       // as the agent sees it; 0 before it is made
  pid_t seen_pid;  // as the container sees it
  bool is_reaped;
  int status;  // as waitpid gives it
  bool is_oom_killed;
  char leaf[LEAF_PATH];  // empty when it is gone
  bool has_plain_leaf;   // its program could not change it, and it was not killed
  int stdio[3];  // the program's ends, until it is made; -1 then
  struct spool spool;
  struct output outputs[2];  // a terminal's is the first
  struct input input;
  struct timer grace;
  struct timer completion;
  struct connection *connection;  // the one that has its part; null when there is none
  uint64_t sent;                  // offset of the first byte of output that it was not sent
  bool is_told;                   // it was sent the exit
  bool has_last_room;  // for what is in its pipes when nobody writes any more
  struct fault *failure;          // null while there is none
};

// Makes an entry with its pipes and its leaf.
const struct fault *process_new(const struct process_kind *kind, uint64_t id, const struct spec *spec,
                                struct process **process);

// Makes the process in the container of `init`, a pidfd.
const struct fault *process_launch(struct process *process, const struct spec *spec, int init);

// Takes over a process that is there already, and the agent's end of its start pair.
void process_adopt(struct process *process, pid_t pid, int report);

// The process does not start, or its start is given up. `completed` follows.
void process_fail(struct process *process, const struct fault *failure);

// Goes on if what was awaited has come.
void process_settle(struct process *process);

// Lets go of everything that it has. Its process must have ended, or never been made.
void process_free(struct process *process);

uint64_t process_next_id(void);

// Null for an unknown one.
struct process *process_find(uint64_t id);

// The same with the reason: one that has ended long ago is gone.
const struct fault *process_get(uint64_t id, struct process **process);

// Calls for each; what is called may free the one that it is given.
void process_each(void (*call)(struct process *));

// 128 + N after signal N.
int process_code(const struct process *process);
struct message process_exit_message(const struct process *process);

const struct fault *process_signal(struct process *process, int32_t signum, enum signal_target target);

// Ends it and what it has started in its leaf.
void process_kill(struct process *process);

const struct fault *process_resize(struct process *process, const struct tty_size *size);

// A child of the agent ended. False when it is none of these.
bool process_child_ended(pid_t pid, int status);

// From input and output.
void process_input_taken(struct process *process, size_t bytes);
void process_output_came(struct process *process);
void process_output_ended(struct process *process);

#endif
