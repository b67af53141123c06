#ifndef KRUN_DOUBLE_EMULATOR_H
#define KRUN_DOUBLE_EMULATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAX_SHARES = 32, MAX_DISKS = 32, MAX_EMULATED_PORTS = 64 };

struct emulated_share {
  const char *tag, *path;
};

struct emulated_disk {
  const char *path;
  bool read_only, direct, flushes;
};

struct emulated_port {
  uint32_t number;
  const char *path;
  bool guest_listens;
};

struct machine {
  unsigned cpus, memory_mib;
  const char *kernel, *initramfs, *command_line; /* no kernel: libkrunfw's */
  int firmware_kernel, firmware_initramfs; /* descriptors in the place of libkrunfw; -1: there is none */
  const char *program;                           /* that libkrun's init is to start */
  bool has_own_init, has_no_implicit_vsock, has_vsock;
  char words[8192];
  struct emulated_share shares[MAX_SHARES];
  size_t share_count;
  struct emulated_disk disks[MAX_DISKS];
  size_t disk_count;
  struct emulated_port ports[MAX_EMULATED_PORTS];
  size_t port_count;
  int network;
  uint8_t mac[6];
  const char *console;
};

/* Runs a machine, and leaves the process when it has ended. Returns a negative error if it cannot be started. */
int32_t emulate(const struct machine *machine);

#endif
