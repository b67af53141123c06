// The processes of the container.
#ifndef VZAGENT_PROCESS_LIST_H
#define VZAGENT_PROCESS_LIST_H

#include "connection.h"

void process_list(struct connection *connection, const struct message *message);

#endif
