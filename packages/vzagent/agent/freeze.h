// Stopping all processes of the container where they are.
#ifndef VZAGENT_FREEZE_H
#define VZAGENT_FREEZE_H

#include "connection.h"

// Answered when the kernel says that it is so.
void freeze(struct connection *connection, const struct message *message);
void thaw(struct connection *connection, const struct message *message);

// Whether the container is frozen, or being frozen.
bool freeze_is_on(void);

// The container is gone.
void freeze_forget(void);

void freeze_connection_lost(struct connection *connection);

#endif
