// What host and agent tell each other first.
#ifndef VZAGENT_HELLO_H
#define VZAGENT_HELLO_H

#include "connection.h"

void hello(struct connection *connection, const struct message *message);

#endif
