/* The configuration file, read and checked. Strings live as long as the program. */
#ifndef KRUN_CONFIGURATION_H
#define KRUN_CONFIGURATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failure.h"

enum { MAX_DEVICES = 64, MAX_PORTS = 64, MAX_ENVIRONMENT = 64, MAX_JAIL_PATHS = 256 };

struct share {
  const char *tag;
  const char *path;
  bool read_only;
};

struct disk {
  const char *id;
  const char *path;
  bool read_only;
  bool direct;
  bool flushes; /* whether the guest's flushes reach the disk */
};

/* A vsock port, and the Unix socket that it is tied to. */
struct port {
  uint32_t number;
  const char *path;
  bool guest_listens;
};

struct configuration {
  const char *library; /* NULL: wherever it is found */
  uint8_t cpus;
  uint32_t memory_mib;
  /* A kernel of our own with its initramfs; NULL: libkrun's, with a shared folder as its root. */
  const char *kernel;
  uint32_t kernel_format;
  const char *initramfs;
  const char *command_line;
  const char *root;
  const char *environment[MAX_ENVIRONMENT + 1]; /* words for the command line of libkrun's kernel */
  struct share shares[MAX_DEVICES];
  size_t share_count;
  struct disk disks[MAX_DEVICES];
  size_t disk_count;
  struct port ports[MAX_PORTS];
  size_t port_count;
  int network; /* the descriptor of a network outside of this process; -1: none */
  uint8_t mac[6];
  int console; /* a descriptor */
  const char *read_only[MAX_JAIL_PATHS];
  size_t read_only_count;
  const char *read_write[MAX_JAIL_PATHS];
  size_t read_write_count;
};

/* False with the key at fault. */
bool configuration_load(const char *path, struct configuration *configuration, struct failure *failure);

#endif
