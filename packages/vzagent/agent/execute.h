// What is executed in the container beside its workload.
#ifndef VZAGENT_EXECUTE_H
#define VZAGENT_EXECUTE_H

#include "process.h"

// Execute and, with tag 2, Exec.
void execute(struct connection *connection, const struct message *message);
void execute_legacy(struct connection *connection, const struct message *message);

// Lets one of them go on without a host.
void detach(struct connection *connection, const struct message *message);

#endif
