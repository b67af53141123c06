// The container and its workload: assembling, starting, ending.
#ifndef VZAGENT_WORKLOAD_H
#define VZAGENT_WORKLOAD_H

#include "process.h"

// Start and, with tag 1, Run.
void workload_start(struct connection *connection, const struct message *message);
void workload_run(struct connection *connection, const struct message *message);

// Tags 3 and 10.
void workload_signal(struct connection *connection, const struct message *message);
void workload_mount(struct connection *connection, const struct message *message);

// The container's first process, and a descriptor of it (pidfd); 0 and -1 while no program can be executed in it.
pid_t workload_init(void);
int workload_init_fd(void);

// The signal that asks the workload to end.
int workload_stop_signal(void);

// Whether there is a container, and a call for when there is none any more.
bool workload_is_there(void);
void workload_when_gone(void (*call)(void));

// Ends the container with all its processes.
void workload_kill(void);

// A child of the agent ended. False when it is not the container's init.
bool workload_child_ended(pid_t pid, int status);

#endif
