// What the container uses, as the kernel counts it.
#ifndef VZAGENT_STATISTICS_H
#define VZAGENT_STATISTICS_H

#include "connection.h"

void statistics(struct connection *connection, const struct message *message);

#endif
