// IP addresses of either family.
#ifndef VZAGENT_IP_ADDRESS_H
#define VZAGENT_IP_ADDRESS_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

struct ip_address {
  uint8_t family;  // AF_INET or AF_INET6
  uint8_t prefix_length;
  uint8_t bytes[16];
};

static inline size_t ip_length(const struct ip_address *address) { return address->family == AF_INET ? 4 : 16; }

// Write an address without its prefix length, as RFC 5952 wants it. They return `text`.
const char *ip_text(const struct ip_address *address, char text[INET6_ADDRSTRLEN]);
const char *ipv4_text(struct in_addr address, char text[INET_ADDRSTRLEN]);

#endif
