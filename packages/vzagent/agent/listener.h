// The port at which the host reaches the agent: of its vsock, or of its control channel over TCP.
#ifndef VZAGENT_LISTENER_H
#define VZAGENT_LISTENER_H

#include <stdbool.h>
#include <stdint.h>

enum { AGENT_PORT = 1024 };

// Starts to listen; connections wait in the kernel until `listener_serve`. Errno says why it failed. `channel` is empty
// for vsock, or the MAC address of the control channel's device.
bool listener_open(const char *channel);

// Accepts connections from here on, through the event loop.
bool listener_serve(void);

// Accepts again after descriptors had run out.
void listener_resume(void);

// Begins a call to the host's `port`. A descriptor, or -1 with errno.
int listener_call_host(uint32_t port);

// Connects once to the host's `port` and writes one byte: the host need not poll for the agent.
void listener_announce(uint32_t port);

#endif
