/* What a machine is made of, as plain data. Every path is absolute. */
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vz {

struct Share {
  std::string tag; /* 1 to 35 bytes of UTF-8 */
  std::string path;
  bool readOnly;
};

enum class DiskCache { cached, direct, unsafe };

struct Disk {
  std::string path;
  bool readOnly;
  std::string serial; /* at most 20 ASCII characters */
  DiskCache cache;
};

struct Network {
  std::optional<std::string> mac; /* chosen by the framework if there is none */
};

struct MachineConfiguration {
  std::string kernel;
  std::string initramfs;
  std::string commandLine;
  uint64_t cpus;
  uint64_t memoryBytes; /* a multiple of 1 MiB */
  std::vector<Share> shares;
  std::vector<Disk> disks;
  std::optional<Network> network; /* behind the host's NAT; none: no device */
  bool rosetta;                   /* whether the guest gets Rosetta, as the share of that name */
  int console;                    /* descriptor that the guest's console is written to; the caller's */
};

}  // namespace vz
