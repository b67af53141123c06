#include "wireguard.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/wireguard.h>

enum { ALLOWED_AT_ONCE = 200 };

static void take_family(const struct nlmsghdr *message, void *family) {
  const struct rtattr *number = netlink_attribute(message, sizeof(struct genlmsghdr), CTRL_ATTR_FAMILY_ID);
  if (number != NULL && RTA_PAYLOAD(number) == sizeof(uint16_t)) memcpy(family, RTA_DATA(number), sizeof(uint16_t));
}

// Families get their numbers when their modules are loaded.
static bool find_family(uint16_t *family) {
  struct netlink_request request;
  struct genlmsghdr header = {.cmd = CTRL_CMD_GETFAMILY, .version = 1};
  *family = 0;
  netlink_begin(&request, GENL_ID_CTRL, 0, &header, sizeof header);
  netlink_put_text(&request, CTRL_ATTR_FAMILY_NAME, WG_GENL_NAME);
  if (!netlink_list(NETLINK_GENERIC, &request, take_family, family)) return false;
  if (*family != 0) return true;
  errno = ENOENT;
  return false;
}

static bool begin(struct netlink_request *request, int interface) {
  uint16_t family;
  struct genlmsghdr header = {.cmd = WG_CMD_SET_DEVICE, .version = WG_GENL_VERSION};
  if (!find_family(&family)) return false;
  netlink_begin(request, family, 0, &header, sizeof header);
  netlink_put_u32(request, WGDEVICE_A_IFINDEX, (uint32_t)interface);
  return true;
}

bool wireguard_set_device(int interface, const uint8_t private_key[WIREGUARD_KEY], uint16_t listen_port) {
  struct netlink_request request;
  if (!begin(&request, interface)) return false;
  netlink_put(&request, WGDEVICE_A_PRIVATE_KEY, private_key, WIREGUARD_KEY);
  netlink_put_u16(&request, WGDEVICE_A_LISTEN_PORT, listen_port);
  netlink_put_u32(&request, WGDEVICE_A_FLAGS, WGDEVICE_F_REPLACE_PEERS);
  bool set = netlink_ask(NETLINK_GENERIC, &request);
  int error = errno;
  explicit_bzero(&request, sizeof request);
  errno = error;
  return set;
}

static void put_allowed(struct netlink_request *request, const struct ip_address *allowed) {
  size_t nest = netlink_nest(request, 0);
  netlink_put_u16(request, WGALLOWEDIP_A_FAMILY, allowed->family);
  netlink_put(request, WGALLOWEDIP_A_IPADDR, allowed->bytes, ip_length(allowed));
  netlink_put_u8(request, WGALLOWEDIP_A_CIDR_MASK, allowed->prefix_length);
  netlink_nest_end(request, nest);
}

// Addresses from `first` on, as many as go into one request.
static bool add_part(int interface, const struct wireguard_peer *peer, size_t first) {
  struct netlink_request request;
  if (!begin(&request, interface)) return false;
  size_t peers = netlink_nest(&request, WGDEVICE_A_PEERS), nest = netlink_nest(&request, 0);
  netlink_put(&request, WGPEER_A_PUBLIC_KEY, peer->public_key, WIREGUARD_KEY);
  if (first == 0) {
    netlink_put_u32(&request, WGPEER_A_FLAGS, WGPEER_F_REPLACE_ALLOWEDIPS);
    netlink_put_u16(&request, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, peer->keepalive_seconds);
    size_t length = peer->endpoint.any.sa_family == AF_INET ? sizeof peer->endpoint.v4 : sizeof peer->endpoint.v6;
    if (peer->endpoint.any.sa_family != 0) netlink_put(&request, WGPEER_A_ENDPOINT, &peer->endpoint, length);
  }
  size_t allowed = netlink_nest(&request, WGPEER_A_ALLOWEDIPS);
  for (size_t i = first; i < peer->allowed_count && i < first + ALLOWED_AT_ONCE; i++) {
    put_allowed(&request, &peer->allowed[i]);
  }
  netlink_nest_end(&request, allowed);
  netlink_nest_end(&request, nest);
  netlink_nest_end(&request, peers);
  return netlink_ask(NETLINK_GENERIC, &request);
}

bool wireguard_add_peer(int interface, const struct wireguard_peer *peer) {
  size_t first = 0;
  do {
    if (!add_part(interface, peer, first)) return false;
    first += ALLOWED_AT_ONCE;
  } while (first < peer->allowed_count);
  return true;
}
