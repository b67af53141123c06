#include "network.h"

#include "files.h"
#include "log.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void loopback_up(void) {
  struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) != 0) log_line("loopback interface: %s", strerror(errno));
  if (fd >= 0) close(fd);
}

static void set(const char *path, const char *value) {
  if (!file_write(path, value)) log_line("%s: %s", path, strerror(errno));
}

void network_prepare(void) {
  loopback_up();
  set("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
  set("/proc/sys/net/ipv4/ping_group_range", "0 2147483647");
}
