// Connect: a connection becomes a tunnel to a socket in the guest, in frames for data, end and reset.
#ifndef VZAGENT_TUNNEL_H
#define VZAGENT_TUNNEL_H

#include "connection.h"

void tunnel_connect(struct connection *connection, const struct connect_message *message);

#endif
