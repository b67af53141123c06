// How the processes of a start tell the agent what became of it: a socket pair of packets. A start that worked ends with
// the socket's end of stream after the workload's identity, because every copy is closed on exec.
#ifndef VZAGENT_START_REPORT_H
#define VZAGENT_START_REPORT_H

#include <stdnoreturn.h>
#include <sys/types.h>

enum { START_TEXT = 4096 };

enum start_kind { START_NOTHING_YET, START_IDENTITY, START_FAILURE, START_END };

struct start_report {
  enum start_kind kind;
  pid_t pid;              // with START_IDENTITY: the workload's process id as the agent sees it
  char text[START_TEXT];  // with START_FAILURE: why, one line
};

// Makes the pair: [0] is the agent's (it learns who sends), [1] the new processes'. Returns false with errno.
_Bool start_pair(int ends[2]);

// The agent's side: takes one packet, never waits.
void start_receive(int end, struct start_report *report);

// The agent's side: lets a process that sent its identity go on.
void start_go_on(int end);

// The workload's side: sends its identity and waits until the agent holds it. Ends the process when the agent is gone.
void start_identify(int end);

// The new processes' side: reports why the start fails and ends the process.
__attribute__((format(printf, 2, 3))) noreturn void start_fail(int end, const char *format, ...);

#endif
