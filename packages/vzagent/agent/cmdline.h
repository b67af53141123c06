// What the host says on the kernel command line.
#ifndef VZAGENT_CMDLINE_H
#define VZAGENT_CMDLINE_H

#include <stdbool.h>
#include <stdint.h>

struct cmdline {
  char rootfs_tag[37];  // `rootfstag=`: a virtio-fs tag has at most 36 bytes; empty when not given
  int64_t boot_time;    // `zlayer.boottime=`: Unix seconds at launch; 0 when not given
  bool no_dhcp;         // `zlayer.net=none`: the Ethernet interface is left as it is
  char channel[18];     // `zlayer.channel=`: MAC address of the control channel's device; empty for vsock
  uint32_t ready_port;  // `zlayer.ready=`: vsock port on the host to knock at; 0 when not given
  uint32_t files;       // `zlayer.files=`: how many files the guest may merely remember; 0 when not given
};

// Parses a command line. A value that is no number or too long counts as not given and is logged.
void cmdline_parse(const char *text, struct cmdline *cmdline);

#endif
