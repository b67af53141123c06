// Connections that are told of the machine's events.
#ifndef VZAGENT_WATCH_H
#define VZAGENT_WATCH_H

#include "connection.h"

void watch_begin(struct connection *connection, const struct watch_message *watch);

// An interface or address has changed.
void watch_network_changed(void);

#endif
