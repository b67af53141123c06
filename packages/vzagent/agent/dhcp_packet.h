// The messages of DHCP (RFC 2131, RFC 2132), as far as a client needs them.
#ifndef VZAGENT_DHCP_PACKET_H
#define VZAGENT_DHCP_PACKET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DHCP_LARGEST = 1500, DHCP_MOST_SERVERS = 8, DHCP_DOMAIN = 256 };

enum dhcp_type { DHCP_DISCOVER = 1, DHCP_OFFER = 2, DHCP_REQUEST = 3, DHCP_ACK = 5, DHCP_NAK = 6 };

// What a client says. Addresses in network byte order, 0 for none.
struct dhcp_question {
  enum dhcp_type type;
  uint32_t transaction;
  uint8_t mac[6];
  struct in_addr own;        // the address that the client has and can be reached at
  struct in_addr requested;  // the address that it was offered
  struct in_addr server;     // whose offer it takes
};

// What a server says. The address is one that a single machine can have, but for a refusal.
struct dhcp_answer {
  enum dhcp_type type;
  struct in_addr address;
  struct in_addr server;
  uint8_t prefix_length;
  struct in_addr router;
  struct in_addr dns_servers[DHCP_MOST_SERVERS];
  size_t dns_server_count;
  char domain[DHCP_DOMAIN];  // a plain domain name, or empty
  uint32_t lease_seconds;
  uint32_t renewal_seconds;    // 0 when not said
  uint32_t rebinding_seconds;  // 0 when not said
};

// The length of the message in `packet`.
size_t dhcp_write(const struct dhcp_question *question, uint8_t packet[DHCP_LARGEST]);

// False when it is malformed, or not for this client.
bool dhcp_read(const uint8_t *packet, size_t length, uint32_t transaction, const uint8_t mac[6],
               struct dhcp_answer *answer);

#endif
