// The one workload of a guest: started by Run, reported on the connection that sent it.
#ifndef VZAGENT_WORKLOAD_H
#define VZAGENT_WORKLOAD_H

#include "connection.h"

#include <sys/types.h>

void workload_run(struct connection *connection, const struct run_message *run);
void workload_signal(struct connection *connection, int32_t signum);
void workload_mount(struct connection *connection, const struct mount_message *mount);
void workload_stdin(struct connection *connection, struct slice data);
void workload_stdin_end(struct connection *connection);

// A child of the agent ended; `status` as waitpid gives it.
void workload_child_ended(pid_t pid, int status);

// The connection takes output again.
void workload_host_caught_up(struct connection *connection);

// The connection is about to be freed. Its workload goes on; output waits in the pipes.
void workload_connection_lost(struct connection *connection);

#endif
