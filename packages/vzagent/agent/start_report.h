// How processes that are being started tell the agent what becomes of them. The end of the reports without a failure,
// and after START_EXECUTES, means that the program runs: the new processes' end is closed by exec.
#ifndef VZAGENT_START_REPORT_H
#define VZAGENT_START_REPORT_H

#include "fault.h"

#include <stdnoreturn.h>
#include <sys/types.h>

enum start_kind {
  START_NOTHING_YET,
  START_CONTAINER,  // the container is assembled; its init waits
  START_TERMINAL,   // `fd` is the terminal's master, now the receiver's
  START_EXECUTES,   // all is prepared, exec comes next
  START_FAILURE,    // instead of all that is missing
  START_END,
};

struct start_report {
  enum start_kind kind;
  pid_t pid;  // with START_EXECUTES: its process id as the container sees it
  int fd;     // with START_TERMINAL
  struct fault failure;
};

// Makes the pair: [0] is the agent's, [1] the new processes'. Returns false with errno.
bool start_pair(int ends[2]);

// The agent's side: takes one packet, never waits.
void start_receive(int end, struct start_report *report);

// The agent's side: sends a process's number, or any other that init waits for.
void start_answer(int end, pid_t number);

// The new processes' side. What cannot be sent ends the process: the agent is gone.
void start_tell(int end, enum start_kind kind);
void start_tell_terminal(int end, int master);

// Waits for the agent's answer.
pid_t start_wait(int end);

// Reports why the start fails and ends the process.
noreturn void start_fail(int end, const struct fault *failure);

#endif
