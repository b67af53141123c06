// Forward: a connection becomes the raw bytes of a TCP connection to 127.0.0.1 in the guest.
#ifndef VZAGENT_FORWARD_H
#define VZAGENT_FORWARD_H

#include "connection.h"

void forward_connect(struct connection *connection, uint16_t port);

#endif
