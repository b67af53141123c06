// The guest's network: loopback, the Ethernet interface with its DHCP lease, and what the host is told of them.
#ifndef VZAGENT_NETWORK_H
#define VZAGENT_NETWORK_H

#include "connection.h"

#include <stdbool.h>

// Brings the loopback interface up and lets every user bind low ports and ping, as in a Docker container.
// What fails is a line on the console.
void network_prepare(void);

// Watches for changes and, with `dhcp`, begins to configure the first Ethernet interface. After `names_open`.
void network_open(bool dhcp);

// Sends a Network message.
void network_report(struct connection *connection);

// For a container's processes: a descriptor that tells when the first configuration is there or given up, -1 when there
// is nothing to wait for; and the wait for it.
int network_watch_settling(void);
void network_wait_until_settled(int fd);

#endif
