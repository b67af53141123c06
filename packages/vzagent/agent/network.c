#include "network.h"

#include "dhcp.h"
#include "files.h"
#include "log.h"
#include "loop.h"
#include "names.h"
#include "netlink.h"
#include "watch.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

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
  if (!file_write(path, value)) log_line("%s: %s", path, strerror(errno));
}

void network_prepare(void) {
  if (!link_set_up((int)if_nametoindex("lo"))) log_line("loopback interface: %s", strerror(errno));
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
  if (leased.family != 0 && !same && !address_remove(ethernet, &leased)) log_line("old address: %s", strerror(errno));
  if (!same && address->family != 0 && !address_add(ethernet, address)) log_line("new address: %s", strerror(errno));
  leased = *address;
}

static void lease_changed(const struct dhcp_answer *lease) {
  static const struct dhcp_answer none;
  static const struct ip_address nowhere, anywhere = {.family = AF_INET};
  if (lease == NULL) lease = &none;
  struct ip_address address = lease->address.s_addr == 0 ? nowhere : ipv4(lease->address, lease->prefix_length);
  take_address(&address);
  struct ip_address router = ipv4(lease->router, 32);
  if (lease->router.s_addr != 0 && !route_add(ethernet, &anywhere, &router)) log_line("route: %s", strerror(errno));
  struct network_names names = {.address = lease->address, .gateway = lease->router};
  names.dns_server_count = lease->dns_server_count;
  memcpy(names.dns_servers, lease->dns_servers, sizeof names.dns_servers);
  memcpy(names.domain, lease->domain, sizeof names.domain);
  names_set_network(&names);
  settled();
  watch_network_changed();
}

static bool read_number(const char *interface, const char *property, unsigned long *number) {
  char path[sizeof "/sys/class/net//" + IF_NAMESIZE + 16];
  snprintf(path, sizeof path, "/sys/class/net/%.*s/%s", IF_NAMESIZE, interface, property);
  char *text = file_read(path, NULL);
  if (text == NULL) return false;
  *number = strtoul(text, NULL, 10);
  free(text);
  return true;
}

// The Ethernet interface with the lowest index, which is the first that the kernel found. Its name may be any.
static int find_ethernet(char name[IF_NAMESIZE]) {
  unsigned long lowest = 0, type, index;
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
  snprintf(path, sizeof path, "/sys/class/net/%s/address", name);
  char *text = file_read(path, NULL);
  bool parsed = text != NULL && strlen(text) >= 17;
  for (size_t i = 0; parsed && i < 6; i++) {
    char *end;
    mac[i] = (uint8_t)strtoul(text + 3 * i, &end, 16);
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
  if (!link_set_up(ethernet) || !read_mac(name, mac)) return log_line("interface %s: %s", name, strerror(errno));
  if (mkfifo(SETTLING, 0600) != 0 || (settling = open(SETTLING, O_RDWR | O_CLOEXEC)) < 0) {
    log_line(SETTLING ": %s", strerror(errno));
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
  if (!watch_changes()) log_line("changes of the network are not seen: %s", strerror(errno));
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

static struct slice text_slice(const char *text) {
  return (struct slice){.data = (const uint8_t *)text, .length = strlen(text)};
}

static uint8_t prefix_length(const struct sockaddr *mask) {
  uint8_t bytes[16] = {0};
  uint8_t length = 0;
  if (mask->sa_family == AF_INET) {
    memcpy(bytes, &((const struct sockaddr_in *)mask)->sin_addr, 4);
  } else {
    memcpy(bytes, &((const struct sockaddr_in6 *)mask)->sin6_addr, 16);
  }
  for (size_t i = 0; i < sizeof bytes; i++) length += (uint8_t)__builtin_popcount(bytes[i]);
  return length;
}

static bool add_addresses(struct list_maker *list, const struct ifaddrs *all, const char *name) {
  bool added = true;
  for (const struct ifaddrs *each = all; added && each != NULL; each = each->ifa_next) {
    char address[INET6_ADDRSTRLEN], text[INET6_ADDRSTRLEN + 4];
    if (each->ifa_addr == NULL || each->ifa_netmask == NULL || strcmp(each->ifa_name, name) != 0) continue;
    int family = each->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    const void *bytes = family == AF_INET ? (const void *)&((const struct sockaddr_in *)each->ifa_addr)->sin_addr
                                          : (const void *)&((const struct sockaddr_in6 *)each->ifa_addr)->sin6_addr;
    inet_ntop(family, bytes, address, sizeof address);
    snprintf(text, sizeof text, "%s/%u", address, prefix_length(each->ifa_netmask));
    added = string_add(list, text_slice(text));
  }
  return added;
}

static bool add_interface(struct list_maker *interfaces, const struct ifaddrs *all, const struct ifaddrs *link) {
  const struct sockaddr_ll *hardware = (const struct sockaddr_ll *)link->ifa_addr;
  char mac[18] = "";
  if (hardware != NULL && hardware->sll_halen == 6) {
    const unsigned char *byte = hardware->sll_addr;
    snprintf(mac, sizeof mac, "%02x:%02x:%02x:%02x:%02x:%02x", byte[0], byte[1], byte[2], byte[3], byte[4], byte[5]);
  }
  struct list_maker addresses = {0};
  bool added = add_addresses(&addresses, all, link->ifa_name);
  struct interface_entry entry = {
      .name = text_slice(link->ifa_name), .mac = text_slice(mac), .addresses = list_made(&addresses)};
  added = added && interface_entry_add(interfaces, &entry);
  bytes_free(&addresses.encoded);
  return added;
}

static bool add_interfaces(struct list_maker *interfaces) {
  struct ifaddrs *all;
  if (getifaddrs(&all) != 0) return false;
  bool added = true;
  for (struct ifaddrs *each = all; added && each != NULL; each = each->ifa_next) {
    // One entry of an interface is the interface itself; one without a hardware address has none there.
    if (each->ifa_addr != NULL && each->ifa_addr->sa_family != AF_PACKET) continue;
    if ((each->ifa_flags & IFF_LOOPBACK) == 0) added = add_interface(interfaces, all, each);
  }
  freeifaddrs(all);
  return added;
}

void network_report(struct connection *connection) {
  const struct network_names *names = names_network();
  struct list_maker interfaces = {0}, servers = {0};
  char gateway[INET_ADDRSTRLEN] = "";
  bool made = add_interfaces(&interfaces);
  for (size_t i = 0; made && i < names->dns_server_count; i++) {
    made = string_add(&servers, text_slice(inet_ntoa(names->dns_servers[i])));
  }
  if (names->gateway.s_addr != 0) snprintf(gateway, sizeof gateway, "%s", inet_ntoa(names->gateway));
  if (made) {
    struct message message = {.tag = TAG_NETWORK};
    message.network = (struct network_message){
        .interfaces = list_made(&interfaces),
        .gateway = {.present = gateway[0] != '\0', .value = text_slice(gateway)},
        .dns_servers = list_made(&servers),
    };
    connection_send(connection, &message);
  } else {
    connection_send_fault(connection, fault(FAILURE_KIND_EXHAUSTED, "cannot list the network: %s", strerror(errno)));
  }
  bytes_free(&interfaces.encoded);
  bytes_free(&servers.encoded);
}
