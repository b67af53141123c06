// The way to the host where there is no vsock: an Ethernet device that only the agent has, in a network namespace that
// nothing else is in, and a token in the firmware's configuration.
#ifndef VZAGENT_CHANNEL_H
#define VZAGENT_CHANNEL_H

#include <stdint.h>

// Takes the Ethernet device with this MAC address (as the kernel writes it) out of the guest's network, reads the token
// and listens. A descriptor; ends the guest with the reason when it cannot.
int channel_listen(const char *mac);

// Begins a call to the host's `port`. A descriptor, or -1 with errno.
int channel_call(uint32_t port);

#endif
