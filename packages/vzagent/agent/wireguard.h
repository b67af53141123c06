// The kernel's WireGuard, over generic netlink.
#ifndef VZAGENT_WIREGUARD_H
#define VZAGENT_WIREGUARD_H

#include "netlink.h"

enum { WIREGUARD_KEY = 32 };

struct wireguard_peer {
  uint8_t public_key[WIREGUARD_KEY];
  union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
  } endpoint;  // family 0 for a peer that is not called but calls
  uint16_t keepalive_seconds;  // 0 for none
  struct ip_address *allowed;
  size_t allowed_count;
};

// False with errno. The key is nowhere in this process's memory afterwards, but where the caller has it.
bool wireguard_set_device(int interface, const uint8_t private_key[WIREGUARD_KEY], uint16_t listen_port);

// Adds a peer. False with errno.
bool wireguard_add_peer(int interface, const struct wireguard_peer *peer);

#endif
