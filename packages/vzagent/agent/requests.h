// What the agent does for its hosts: a table of messages and who handles them.
#ifndef VZAGENT_REQUESTS_H
#define VZAGENT_REQUESTS_H

#include "connection.h"

// Handles a message that means nothing to the connection's role.
void request_handle(struct connection *connection, const struct message *message);

// Whoever still has something to tell to the connection forgets it.
void requests_connection_lost(struct connection *connection);

#endif
