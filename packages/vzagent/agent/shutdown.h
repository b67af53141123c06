// The orderly end of the guest.
#ifndef VZAGENT_SHUTDOWN_H
#define VZAGENT_SHUTDOWN_H

#include "connection.h"

void shutdown_guest(struct connection *connection, const struct message *message);

#endif
