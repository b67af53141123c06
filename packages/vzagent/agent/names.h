// The container's resolv.conf, hosts and hostname: from the network's DHCP, the container's own wishes and the overlay.
// They lie on a file system in memory and are mounted over the image's, so that later changes reach a running
// container.
#ifndef VZAGENT_NAMES_H
#define VZAGENT_NAMES_H

#include "fault.h"

#include <netinet/in.h>
#include <stddef.h>

#define NAMES_FOLDER "/run/names"

enum { MOST_DNS_SERVERS = 8 };

// What the network's configuration says. Addresses in network byte order, 0 for none.
struct network_names {
  struct in_addr address;
  struct in_addr gateway;
  struct in_addr dns_servers[MOST_DNS_SERVERS];
  size_t dns_server_count;
  char domain[256];  // empty for none
};

// Makes the folder and files with what is known at boot. False with errno.
bool names_open(void);

const struct fault *names_check(const struct names *names);

// Takes over what a container wishes, in place of an earlier container's.
const struct fault *names_take(const struct names *names, const char *hostname);

void names_set_network(const struct network_names *network);

// The overlay's DNS server and search domain come first; empty for none.
void names_set_overlay(const char *dns_server, const char *dns_domain);

const struct network_names *names_network(void);

#endif
