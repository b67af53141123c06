/*
 * The only program of a guest that tells on its console what devices it finds, and then powers off, or does what `probe.end`
 * on the kernel's command line says: `reset`, `panic`, `flood` (writes to the console without an end) or `stay`.
 * `probe.connect=PORT` connects to that port of the gateway and prints what it says.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <net/if.h>
#include <net/route.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static char arguments[4096];

static int load(const char *name) {
  char path[512];
  snprintf(path, sizeof path, "/modules/%s", name);
  int file = open(path, O_RDONLY);
  int result = (int)syscall(SYS_finit_module, file, "", 0);
  close(file);
  return result;
}

/* A module that needs another one fails until that one is there. */
static void load_all(void) {
  for (int round = 0; round < 8; round++) {
    DIR *folder = opendir("/modules");
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
      if (entry->d_name[0] != '.') load(entry->d_name);
    }
    if (folder) closedir(folder);
  }
}

static void read_text(const char *path, char *text, size_t capacity) {
  int file = open(path, O_RDONLY);
  ssize_t got = file < 0 ? 0 : read(file, text, capacity - 1);
  text[got < 0 ? 0 : got] = '\0';
  text[strcspn(text, "\n")] = '\0';
  close(file);
}

/* Writes to a disk, reads back, and discards; a disk that can only be read is read. */
static void try_disk(const char *name) {
  static char block[1 << 20];
  char path[512], serial[64], size[64];
  snprintf(path, sizeof path, "/sys/block/%s/serial", name);
  read_text(path, serial, sizeof serial);
  snprintf(path, sizeof path, "/sys/block/%s/size", name);
  read_text(path, size, sizeof size);
  snprintf(path, sizeof path, "/dev/%s", name);
  int disk = open(path, O_RDONLY);
  ssize_t got = read(disk, block, 5);
  close(disk);
  printf("disk serial=%s sectors=%s begins=%.*s", serial, size, (int)(got < 0 ? 0 : got), block);
  disk = open(path, O_RDWR);
  memset(block, 'w', sizeof block);
  int written = disk >= 0 && write(disk, block, sizeof block) == sizeof block && fsync(disk) == 0;
  uint64_t range[2] = {4 << 20, 4 << 20};
  int discarded = disk >= 0 && ioctl(disk, BLKDISCARD, range) == 0;
  printf(" written=%d discarded=%d\n", written, discarded);
  close(disk);
}

static void try_disks(void) {
  DIR *folder = opendir("/sys/block");
  for (struct dirent *entry; folder && (entry = readdir(folder));) {
    if (strncmp(entry->d_name, "vd", 2) == 0) try_disk(entry->d_name);
  }
  if (folder) closedir(folder);
}

static int configure(const char *interface) {
  int control = socket(AF_INET, SOCK_DGRAM, 0);
  struct ifreq request = {0};
  strcpy(request.ifr_name, interface);
  struct sockaddr_in *address = (struct sockaddr_in *)&request.ifr_addr;
  address->sin_family = AF_INET;
  address->sin_addr.s_addr = inet_addr("10.0.2.15");
  if (ioctl(control, SIOCSIFADDR, &request) != 0) return -1;
  address->sin_addr.s_addr = inet_addr("255.255.255.0");
  ioctl(control, SIOCSIFNETMASK, &request);
  ioctl(control, SIOCGIFFLAGS, &request);
  request.ifr_flags |= IFF_UP;
  return ioctl(control, SIOCSIFFLAGS, &request);
}

static void try_network(int port) {
  char mac[64];
  read_text("/sys/class/net/eth0/address", mac, sizeof mac);
  printf("network mac=%s\n", mac);
  if (port == 0 || configure("eth0") != 0) return;
  int connection = socket(AF_INET, SOCK_STREAM, 0);
  struct timeval patience = {.tv_sec = 3};
  setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  struct sockaddr_in host = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  host.sin_addr.s_addr = inet_addr("10.0.2.2");
  char text[64] = "";
  int connected = connect(connection, (struct sockaddr *)&host, sizeof host) == 0;
  ssize_t got = connected ? read(connection, text, sizeof text - 1) : 0;
  printf("host connected=%d says=%.*s\n", connected, (int)(got < 0 ? 0 : got), text);
}

static int argument_is(const char *text) {
  return strstr(arguments, text) != NULL;
}

int main(void) {
  mkdir("/proc", 0755);
  mkdir("/sys", 0755);
  mount("proc", "/proc", "proc", 0, "");
  mount("sysfs", "/sys", "sysfs", 0, "");
  mount("devtmpfs", "/dev", "devtmpfs", 0, "");
  read_text("/proc/cmdline", arguments, sizeof arguments);
  load_all();
  setbuf(stdout, NULL);
  try_disks();
  const char *port = strstr(arguments, "probe.connect=");
  try_network(port ? atoi(port + strlen("probe.connect=")) : 0);
  printf("probe done\n");
  if (argument_is("probe.end=stay")) for (;;) pause();
  for (long line = 0; argument_is("probe.end=flood"); line++) printf("line %ld of a flood that has no end\n", line);
  sync();
  if (argument_is("probe.end=panic")) return 1;
  reboot(argument_is("probe.end=reset") ? RB_AUTOBOOT : RB_POWER_OFF);
  return 1;
}
