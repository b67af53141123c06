#include "channel.h"

#include "channel_door.h"
#include "files.h"
#include "listener.h"
#include "log.h"
#include "modules.h"
#include "netlink.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#define TOKEN_FILE "/sys/firmware/qemu_fw_cfg/by_name/opt/zlayer/token/raw"

enum { BACKLOG = 4096, MAC_TEXT = 17 };

// 10.0.2.15, and where the device passes calls of the guest on to the host: 10.0.2.100.
static const struct ip_address own_address = {.family = AF_INET, .prefix_length = 24, .bytes = {10, 0, 2, 15}};
static const uint8_t host_address[4] = {10, 0, 2, 100};

// The guest's network namespace, and the agent's own.
static int common = -1, apart = -1;

static void enter(int namespace) {
  if (setns(namespace, CLONE_NEWNET) != 0) log_fatal("network namespace: %m");
}

static void take_token(void) {
  modules_load("/lib/modules/qemu_fw_cfg.load");
  size_t length;
  char *token = file_read(TOKEN_FILE, &length);
  if (token == NULL || length != CHANNEL_TOKEN) log_fatal("there is no token at " TOKEN_FILE);
  if (!channel_door_open((uint8_t *)token)) log_fatal("token: %m");
  free(token);
  // Without the module nobody in the guest finds the token in a file.
  if (syscall(SYS_delete_module, "qemu_fw_cfg", O_NONBLOCK) != 0) log_line("qemu_fw_cfg stays loaded: %m");
}

static bool has_mac(const char *name, const char *mac) {
  char path[sizeof "/sys/class/net//address" + IF_NAMESIZE];
  text_format(path, sizeof path, "/sys/class/net/%s/address", name);
  char *text = file_read(path, NULL);
  bool same = text != NULL && strncmp(text, mac, MAC_TEXT) == 0;
  free(text);
  return same;
}

static bool find_device(const char *mac, char name[IF_NAMESIZE]) {
  DIR *devices = opendir("/sys/class/net");
  bool found = false;
  for (struct dirent *entry; devices != NULL && !found && (entry = readdir(devices)) != NULL;) {
    if (entry->d_name[0] == '.' || strlen(entry->d_name) >= IF_NAMESIZE) continue;
    strcpy(name, entry->d_name);
    found = has_mac(name, mac);
  }
  if (devices != NULL) closedir(devices);
  return found;
}

static bool move(int device, int namespace) {
  struct netlink_request request;
  const struct ifinfomsg info = {.ifi_index = device};
  netlink_begin(&request, RTM_NEWLINK, 0, &info, sizeof info);
  netlink_put_u32(&request, IFLA_NET_NS_FD, (uint32_t)namespace);
  return netlink_ask(NETLINK_ROUTE, &request);
}

static int open_socket(void) { return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); }

int channel_listen(const char *mac) {
  take_token();
  char name[IF_NAMESIZE];
  if (!find_device(mac, name)) log_fatal("there is no Ethernet device %s", mac);
  common = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (common < 0 || unshare(CLONE_NEWNET) != 0) log_fatal("network namespace: %m");
  apart = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  enter(common);
  if (!move((int)if_nametoindex(name), apart)) log_fatal("cannot take %s: %m", name);
  enter(apart);
  int device = (int)if_nametoindex(name);
  const int yes = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(AGENT_PORT)};
  memcpy(&address.sin_addr, own_address.bytes, sizeof address.sin_addr);
  int fd = open_socket();
  if (!link_set_up(device) || !address_add(device, &own_address) || fd < 0 ||
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) != 0 ||
      bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, BACKLOG) != 0) {
    log_fatal("cannot listen at %s: %m", name);
  }
  enter(common);
  return fd;
}

int channel_call(uint32_t port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  memcpy(&address.sin_addr, host_address, sizeof address.sin_addr);
  enter(apart);
  int fd = open_socket();
  enter(common);
  if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS) {
    close(fd);
    return -1;
  }
  return fd;
}
