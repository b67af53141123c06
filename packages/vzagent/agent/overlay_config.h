// An overlay network's configuration, parsed and checked.
#ifndef VZAGENT_OVERLAY_CONFIG_H
#define VZAGENT_OVERLAY_CONFIG_H

#include "fault.h"
#include "wireguard.h"

struct overlay_config {
  struct ip_address address;
  uint8_t private_key[WIREGUARD_KEY];
  uint16_t listen_port;
  struct wireguard_peer *peers;
  size_t peer_count;
  char dns_server[INET6_ADDRSTRLEN];  // empty for none
  char dns_domain[256];               // empty for none
};

// Null when it worked. The result has to be given to `overlay_config_free` in any case. No fault contains a key.
const struct fault *overlay_config_parse(const struct overlay_config_message *message, struct overlay_config *config);

// Frees the memory; the key is wiped from it.
void overlay_config_free(struct overlay_config *config);

#endif
