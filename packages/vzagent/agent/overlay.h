// The overlay network: a WireGuard interface with its addresses, routes and DNS.
#ifndef VZAGENT_OVERLAY_H
#define VZAGENT_OVERLAY_H

#include "fault.h"

// Makes the interface as described, in place of an earlier one. The private key is wiped from the message as well.
const struct fault *overlay_configure(const struct overlay_config_message *message);

#endif
