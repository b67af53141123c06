#include "netlink.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

enum { ANSWER_SECONDS = 5, LARGEST_ANSWER = 8192 };

static void *room(struct netlink_request *request, size_t size) {
  size_t aligned = NLMSG_ALIGN(size);
  if (request->overflown || aligned > sizeof request->data - request->length) {
    request->overflown = true;
    return NULL;
  }
  void *place = request->data + request->length;
  memset(place, 0, aligned);
  request->length += aligned;
  return place;
}

void netlink_begin(struct netlink_request *request, uint16_t type, uint16_t flags, const void *header, size_t size) {
  request->length = 0;
  request->overflown = false;
  struct nlmsghdr *head = room(request, sizeof *head);
  *head = (struct nlmsghdr){.nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags};
  memcpy(room(request, size), header, size);
}

void netlink_put(struct netlink_request *request, uint16_t attribute, const void *data, size_t length) {
  struct rtattr *head = room(request, RTA_LENGTH(length));
  if (head == NULL) return;
  *head = (struct rtattr){.rta_len = (unsigned short)RTA_LENGTH(length), .rta_type = attribute};
  if (length > 0) memcpy(RTA_DATA(head), data, length);
}

void netlink_put_u8(struct netlink_request *request, uint16_t attribute, uint8_t value) {
  netlink_put(request, attribute, &value, sizeof value);
}

void netlink_put_u16(struct netlink_request *request, uint16_t attribute, uint16_t value) {
  netlink_put(request, attribute, &value, sizeof value);
}

void netlink_put_u32(struct netlink_request *request, uint16_t attribute, uint32_t value) {
  netlink_put(request, attribute, &value, sizeof value);
}

void netlink_put_text(struct netlink_request *request, uint16_t attribute, const char *text) {
  netlink_put(request, attribute, text, strlen(text) + 1);
}

size_t netlink_nest(struct netlink_request *request, uint16_t attribute) {
  size_t nest = request->length;
  netlink_put(request, attribute | NLA_F_NESTED, NULL, 0);
  return nest;
}

void netlink_nest_end(struct netlink_request *request, size_t nest) {
  if (request->overflown) return;
  struct rtattr *head = (struct rtattr *)(request->data + nest);
  head->rta_len = (unsigned short)(request->length - nest);
}

// Takes messages up to the acknowledgement or the end of a list. The error's number, 0 for none.
static int take_answer(int fd, void (*take)(const struct nlmsghdr *, void *), void *context) {
  _Alignas(8) char buffer[LARGEST_ANSWER];
  for (;;) {
    ssize_t got = recv(fd, buffer, sizeof buffer, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno == EAGAIN ? ETIMEDOUT : errno;
    size_t left = (size_t)got;
    for (struct nlmsghdr *head = (struct nlmsghdr *)buffer; NLMSG_OK(head, left); head = NLMSG_NEXT(head, left)) {
      // Both begin with an error's number.
      if (head->nlmsg_type == NLMSG_ERROR || head->nlmsg_type == NLMSG_DONE) return -*(const int *)NLMSG_DATA(head);
      if (take != NULL) take(head, context);
    }
  }
}

bool netlink_list(int protocol, struct netlink_request *request, void (*take)(const struct nlmsghdr *, void *),
                  void *context) {
  if (request->overflown) {
    errno = EMSGSIZE;
    return false;
  }
  ((struct nlmsghdr *)request->data)->nlmsg_len = (uint32_t)request->length;
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  if (fd < 0) return false;
  struct timeval patience = {.tv_sec = ANSWER_SECONDS};
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  bool sent = setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0 &&
              sendto(fd, request->data, request->length, 0, (struct sockaddr *)&kernel, sizeof kernel) ==
                  (ssize_t)request->length;
  int error = sent ? take_answer(fd, take, context) : errno;
  close(fd);
  errno = error;
  return error == 0;
}

bool netlink_ask(int protocol, struct netlink_request *request) { return netlink_list(protocol, request, NULL, NULL); }

const struct rtattr *netlink_attribute(const struct nlmsghdr *message, size_t size, uint16_t attribute) {
  if (message->nlmsg_len < NLMSG_SPACE(size)) return NULL;
  size_t left = message->nlmsg_len - NLMSG_SPACE(size);
  const struct rtattr *each = (const struct rtattr *)((const char *)message + NLMSG_SPACE(size));
  for (; RTA_OK(each, left); each = RTA_NEXT(each, left)) {
    if ((each->rta_type & NLA_TYPE_MASK) == attribute) return each;
  }
  return NULL;
}

bool link_set_up(int interface) {
  struct netlink_request request;
  struct ifinfomsg info = {.ifi_index = interface, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
  netlink_begin(&request, RTM_NEWLINK, 0, &info, sizeof info);
  return netlink_ask(NETLINK_ROUTE, &request);
}

bool link_delete(int interface) {
  struct netlink_request request;
  struct ifinfomsg info = {.ifi_index = interface};
  netlink_begin(&request, RTM_DELLINK, 0, &info, sizeof info);
  return netlink_ask(NETLINK_ROUTE, &request);
}

bool link_create(const char *name, const char *kind) {
  struct netlink_request request;
  struct ifinfomsg info = {0};
  netlink_begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &info, sizeof info);
  netlink_put_text(&request, IFLA_IFNAME, name);
  size_t nest = netlink_nest(&request, IFLA_LINKINFO);
  netlink_put_text(&request, IFLA_INFO_KIND, kind);
  netlink_nest_end(&request, nest);
  return netlink_ask(NETLINK_ROUTE, &request);
}

static bool change_address(int interface, const struct ip_address *address, uint16_t type, uint16_t flags) {
  struct netlink_request request;
  struct ifaddrmsg info = {
      .ifa_family = address->family, .ifa_prefixlen = address->prefix_length, .ifa_index = (uint32_t)interface};
  // Nobody else can have it, and until a check of that ended, it could not be used.
  if (address->family == AF_INET6) info.ifa_flags = IFA_F_NODAD;
  netlink_begin(&request, type, flags, &info, sizeof info);
  netlink_put(&request, IFA_LOCAL, address->bytes, ip_length(address));
  netlink_put(&request, IFA_ADDRESS, address->bytes, ip_length(address));
  return netlink_ask(NETLINK_ROUTE, &request);
}

bool address_add(int interface, const struct ip_address *address) {
  return change_address(interface, address, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
}

bool address_remove(int interface, const struct ip_address *address) {
  return change_address(interface, address, RTM_DELADDR, 0);
}

bool route_add(int interface, const struct ip_address *destination, const struct ip_address *gateway) {
  struct netlink_request request;
  struct rtmsg info = {
      .rtm_family = destination->family,
      .rtm_dst_len = destination->prefix_length,
      .rtm_table = RT_TABLE_MAIN,
      .rtm_protocol = RTPROT_STATIC,
      .rtm_scope = gateway == NULL && destination->family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
      .rtm_type = RTN_UNICAST,
      // A gateway need not be within the address's own network.
      .rtm_flags = gateway == NULL ? 0 : RTNH_F_ONLINK,
  };
  netlink_begin(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &info, sizeof info);
  if (destination->prefix_length > 0) {
    netlink_put(&request, RTA_DST, destination->bytes, ip_length(destination));
  }
  if (gateway != NULL) netlink_put(&request, RTA_GATEWAY, gateway->bytes, ip_length(gateway));
  netlink_put_u32(&request, RTA_OIF, (uint32_t)interface);
  return netlink_ask(NETLINK_ROUTE, &request);
}
