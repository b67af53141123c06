#include "network.h"

#include "dhcp.h"
#include "files.h"
#include "log.h"
#include "loop.h"
#include "names.h"
#include "netlink.h"
#include "text.h"
#include "watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

// Held open for writing while the first configuration is under way: its end of file wakes everybody who waits.
#define SETTLING "/run/network-settling"

enum {
  LEASE_MILLIS = 3000,      // so long a container waits for the first lease
  SAFETY_MILLIS = 10000,    // and so long when the agent does not say anything
  LARGEST_EVENTS = 16384,
};

static struct source changes = {.fd = -1};
static struct timer patience;
static int settling = -1;
static int ethernet;  // the index of the interface with the lease; 0 while there is none
static struct ip_address leased;

static void set(const char *path, const char *value) {
  if (!file_write(path, value)) log_line("%s: %m", path);
}

void network_prepare(void) {
  if (!link_set_up((int)if_nametoindex("lo"))) log_line("loopback interface: %m");
  set("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
  set("/proc/sys/net/ipv4/ping_group_range", "0 2147483647");
}

static void settled(void) {
  timer_stop(&patience);
  if (settling >= 0) close(settling);
  settling = -1;
}

static void lost_patience(struct timer *timer) {
  (void)timer;
  log_line("no DHCP server has answered; containers start without it");
  settled();
}

static struct ip_address ipv4(struct in_addr address, uint8_t prefix_length) {
  struct ip_address made = {.family = AF_INET, .prefix_length = prefix_length};
  memcpy(made.bytes, &address, sizeof address);
  return made;
}

static void take_address(const struct ip_address *address) {
  bool same = memcmp(&leased, address, sizeof leased) == 0;
  if (leased.family != 0 && !same && !address_remove(ethernet, &leased)) log_line("old address: %m");
  if (!same && address->family != 0 && !address_add(ethernet, address)) log_line("new address: %m");
  leased = *address;
}

static void lease_changed(const struct dhcp_answer *lease) {
  static const struct dhcp_answer none;
  static const struct ip_address nowhere, anywhere = {.family = AF_INET};
  if (lease == NULL) lease = &none;
  struct ip_address address = lease->address.s_addr == 0 ? nowhere : ipv4(lease->address, lease->prefix_length);
  take_address(&address);
  struct ip_address router = ipv4(lease->router, 32);
  if (lease->router.s_addr != 0 && !route_add(ethernet, &anywhere, &router)) log_line("route: %m");
  struct network_names names = {.address = lease->address, .gateway = lease->router};
  names.dns_server_count = lease->dns_server_count;
  memcpy(names.dns_servers, lease->dns_servers, sizeof names.dns_servers);
  memcpy(names.domain, lease->domain, sizeof names.domain);
  names_set_network(&names);
  settled();
  watch_network_changed();
}

static bool read_number(const char *interface, const char *property, uint64_t *number) {
  char path[sizeof "/sys/class/net//" + IF_NAMESIZE + 16];
  text_format(path, sizeof path, "/sys/class/net/%.*s/%s", IF_NAMESIZE, interface, property);
  char *text = file_read(path, NULL);
  if (text == NULL) return false;
  *number = text_number(text, 10, NULL);
  free(text);
  return true;
}

// The Ethernet interface with the lowest index, which is the first that the kernel found. Its name may be any.
static int find_ethernet(char name[IF_NAMESIZE]) {
  uint64_t lowest = 0, type, index;
  DIR *interfaces = opendir("/sys/class/net");
  if (interfaces == NULL) return 0;
  for (struct dirent *entry; (entry = readdir(interfaces)) != NULL;) {
    if (entry->d_name[0] == '.' || strlen(entry->d_name) >= IF_NAMESIZE) continue;
    if (!read_number(entry->d_name, "type", &type) || type != ARPHRD_ETHER) continue;
    if (!read_number(entry->d_name, "ifindex", &index) || (lowest != 0 && index > lowest)) continue;
    lowest = index;
    memcpy(name, entry->d_name, strlen(entry->d_name) + 1);
  }
  closedir(interfaces);
  return (int)lowest;
}

static bool read_mac(const char *name, uint8_t mac[6]) {
  char path[sizeof "/sys/class/net//address" + IF_NAMESIZE];
  text_format(path, sizeof path, "/sys/class/net/%s/address", name);
  char *text = file_read(path, NULL);
  bool parsed = text != NULL && strlen(text) >= 17;
  for (size_t i = 0; parsed && i < 6; i++) {
    const char *end;
    mac[i] = (uint8_t)text_number(text + 3 * i, 16, &end);
    parsed = end == text + 3 * i + 2;
  }
  free(text);
  return parsed;
}

static void configure_ethernet(void) {
  char name[IF_NAMESIZE];
  uint8_t mac[6];
  ethernet = find_ethernet(name);
  if (ethernet == 0) return;
  if (!link_set_up(ethernet) || !read_mac(name, mac)) return log_line("interface %s: %m", name);
  if (mkfifo(SETTLING, 0600) != 0 || (settling = open(SETTLING, O_RDWR | O_CLOEXEC)) < 0) {
    log_line(SETTLING ": %m");
  }
  timer_start(&patience, LEASE_MILLIS, lost_patience);
  dhcp_start(ethernet, name, mac, lease_changed);
}

static void changes_ready(struct source *source, uint32_t events) {
  (void)events;
  char ignored[LARGEST_EVENTS];
  while (recv(source->fd, ignored, sizeof ignored, MSG_DONTWAIT) > 0) continue;
  watch_network_changed();
}

static bool watch_changes(void) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  struct sockaddr_nl groups = {.nl_family = AF_NETLINK,
                               .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR};
  if (fd >= 0 && bind(fd, (struct sockaddr *)&groups, sizeof groups) == 0 &&
      loop_add(&changes, fd, EPOLLIN, changes_ready)) {
    return true;
  }
  if (fd >= 0) close(fd);
  return false;
}

void network_open(bool dhcp) {
  if (!watch_changes()) log_line("changes of the network are not seen: %m");
  if (dhcp) configure_ethernet();
}

int network_watch_settling(void) { return open(SETTLING, O_RDONLY | O_NONBLOCK | O_CLOEXEC); }

void network_wait_until_settled(int fd) {
  if (fd < 0) return;
  char ignored;
  // A pipe without a writer is at its end; one with a writer has nothing to read until the writer is gone.
  struct pollfd ended = {.fd = fd, .events = POLLIN};
  if (read(fd, &ignored, 1) != 0) poll(&ended, 1, SAFETY_MILLIS);
  close(fd);
}

// The addresses of one interface.
struct addresses {
  uint32_t interface;
  bool is_complete;
  struct list_maker list;
};

static void add_address(const struct nlmsghdr *message, void *context) {
  struct addresses *addresses = context;
  const struct ifaddrmsg *info = NLMSG_DATA(message);
  if (message->nlmsg_type != RTM_NEWADDR || info->ifa_index != addresses->interface) return;
  struct ip_address address = {.family = info->ifa_family};
  // Where there are two, the other is the far end's.
  const struct rtattr *own = netlink_attribute(message, sizeof *info, IFA_LOCAL);
  if (own == NULL) own = netlink_attribute(message, sizeof *info, IFA_ADDRESS);
  if (own == NULL || RTA_PAYLOAD(own) != ip_length(&address)) return;
  memcpy(address.bytes, RTA_DATA(own), ip_length(&address));
  char alone[INET6_ADDRSTRLEN], text[INET6_ADDRSTRLEN + 4];
  text_format(text, sizeof text, "%s/%u", ip_text(&address, alone), info->ifa_prefixlen);
  addresses->is_complete = addresses->is_complete && string_add(&addresses->list, text_slice(text));
}

static bool list_addresses(struct addresses *addresses) {
  struct netlink_request request;
  const struct ifaddrmsg every = {0};
  netlink_begin(&request, RTM_GETADDR, NLM_F_DUMP, &every, sizeof every);
  return netlink_list(NETLINK_ROUTE, &request, add_address, addresses) && addresses->is_complete;
}

struct interfaces {
  bool is_complete;
  struct list_maker list;
};

static void add_interface(const struct nlmsghdr *message, void *context) {
  struct interfaces *interfaces = context;
  const struct ifinfomsg *info = NLMSG_DATA(message);
  if (message->nlmsg_type != RTM_NEWLINK || (info->ifi_flags & IFF_LOOPBACK) != 0) return;
  const struct rtattr *name = netlink_attribute(message, sizeof *info, IFLA_IFNAME);
  const struct rtattr *hardware = netlink_attribute(message, sizeof *info, IFLA_ADDRESS);
  if (name == NULL) return;
  char mac[18] = "";
  if (hardware != NULL && RTA_PAYLOAD(hardware) == 6) {
    const uint8_t *byte = RTA_DATA(hardware);
    text_format(mac, sizeof mac, "%02x:%02x:%02x:%02x:%02x:%02x", byte[0], byte[1], byte[2], byte[3], byte[4], byte[5]);
  }
  struct addresses addresses = {.interface = (uint32_t)info->ifi_index, .is_complete = true};
  bool added = list_addresses(&addresses);
  struct interface_entry entry = {
      .name = text_slice(RTA_DATA(name)), .mac = text_slice(mac), .addresses = list_made(&addresses.list)};
  interfaces->is_complete = interfaces->is_complete && added && interface_entry_add(&interfaces->list, &entry);
  bytes_free(&addresses.list.encoded);
}

static bool list_interfaces(struct interfaces *interfaces) {
  struct netlink_request request;
  const struct ifinfomsg every = {0};
  netlink_begin(&request, RTM_GETLINK, NLM_F_DUMP, &every, sizeof every);
  return netlink_list(NETLINK_ROUTE, &request, add_interface, interfaces) && interfaces->is_complete;
}

void network_report(struct connection *connection) {
  const struct network_names *names = names_network();
  struct interfaces interfaces = {.is_complete = true};
  struct list_maker servers = {0};
  char gateway[INET_ADDRSTRLEN] = "", server[INET_ADDRSTRLEN];
  bool made = list_interfaces(&interfaces);
  for (size_t i = 0; made && i < names->dns_server_count; i++) {
    made = string_add(&servers, text_slice(ipv4_text(names->dns_servers[i], server)));
  }
  if (names->gateway.s_addr != 0) ipv4_text(names->gateway, gateway);
  if (made) {
    struct message message = {.tag = TAG_NETWORK};
    message.network = (struct network_message){
        .interfaces = list_made(&interfaces.list),
        .gateway = {.present = gateway[0] != '\0', .value = text_slice(gateway)},
        .dns_servers = list_made(&servers),
    };
    connection_send(connection, &message);
  } else {
    connection_send_fault(connection, fault(FAILURE_KIND_EXHAUSTED, "cannot list the network: %m"));
  }
  bytes_free(&interfaces.list.encoded);
  bytes_free(&servers.encoded);
}
