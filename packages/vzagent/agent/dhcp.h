// A DHCP client for one interface. It runs in the event loop: nothing waits for it.
#ifndef VZAGENT_DHCP_H
#define VZAGENT_DHCP_H

#include "dhcp_packet.h"

// Begins to ask on `interface`, which is up. `changed` is told each lease, and null when the last one ended.
void dhcp_start(int interface, const char *name, const uint8_t mac[6],
                void (*changed)(const struct dhcp_answer *lease));

#endif
