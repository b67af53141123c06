// Requests to the kernel over netlink, each answered before the call returns.
#ifndef VZAGENT_NETLINK_H
#define VZAGENT_NETLINK_H

#include "ip_address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nlmsghdr;
struct rtattr;

enum { NETLINK_LARGEST = 16 * 1024 };

// A request being written. What does not fit any more makes `netlink_ask` fail with EMSGSIZE.
struct netlink_request {
  size_t length;
  bool overflown;
  _Alignas(8) uint8_t data[NETLINK_LARGEST];
};

// Begins a request of `type` with the fixed header of its family, `size` bytes.
void netlink_begin(struct netlink_request *request, uint16_t type, uint16_t flags, const void *header, size_t size);

void netlink_put(struct netlink_request *request, uint16_t attribute, const void *data, size_t length);
void netlink_put_u8(struct netlink_request *request, uint16_t attribute, uint8_t value);
void netlink_put_u16(struct netlink_request *request, uint16_t attribute, uint16_t value);
void netlink_put_u32(struct netlink_request *request, uint16_t attribute, uint32_t value);
void netlink_put_text(struct netlink_request *request, uint16_t attribute, const char *text);

// Attributes put in between lie within `attribute`.
size_t netlink_nest(struct netlink_request *request, uint16_t attribute);
void netlink_nest_end(struct netlink_request *request, size_t nest);

// Sends to `protocol` (NETLINK_ROUTE, NETLINK_GENERIC) and waits for the acknowledgement. False with errno.
bool netlink_ask(int protocol, struct netlink_request *request);

// The same for a question: each message of the answer is given to `take`.
bool netlink_list(int protocol, struct netlink_request *request, void (*take)(const struct nlmsghdr *, void *),
                  void *context);

// The attribute of a message behind the fixed header of its family, `size` bytes; null when it has none.
const struct rtattr *netlink_attribute(const struct nlmsghdr *message, size_t size, uint16_t attribute);

bool link_set_up(int interface);
bool link_delete(int interface);

// Makes an interface of a virtual kind ("wireguard").
bool link_create(const char *name, const char *kind);

bool address_add(int interface, const struct ip_address *address);
bool address_remove(int interface, const struct ip_address *address);

// A route to `destination` (prefix length 0 and no bytes: everything) over `interface`, through `gateway` unless it is
// null.
bool route_add(int interface, const struct ip_address *destination, const struct ip_address *gateway);

#endif
