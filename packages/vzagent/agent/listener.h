// The vsock port at which the host reaches the agent.
#ifndef VZAGENT_LISTENER_H
#define VZAGENT_LISTENER_H

#include <stdbool.h>
#include <stdint.h>

enum { AGENT_PORT = 1024 };

// Starts to listen; connections wait in the kernel until `listener_serve`. Errno says why it failed.
bool listener_open(void);

// Accepts connections from here on, through the event loop.
bool listener_serve(void);

// Accepts again after descriptors had run out.
void listener_resume(void);

// Connects once to the host's `port` and writes one byte: the host need not poll for the agent.
void listener_announce(uint32_t port);

#endif
