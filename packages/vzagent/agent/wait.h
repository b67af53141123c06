// Connections that wait for the end of a process.
#ifndef VZAGENT_WAIT_H
#define VZAGENT_WAIT_H

#include "process.h"

void wait_for(struct connection *connection, const struct message *message);

// Answers all that wait for the process.
void wait_answer(const struct process *process);

void wait_connection_lost(struct connection *connection);

#endif
