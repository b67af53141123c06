// What each message from the host does.
#ifndef VZAGENT_REQUESTS_H
#define VZAGENT_REQUESTS_H

#include "connection.h"

void request_handle(struct connection *connection, const struct message *message);

#endif
