/* What a machine is made of, as plain data. Every path is absolute. */
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
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

struct LinuxGuest {
  std::string kernel;
  std::string initramfs;
  std::string commandLine;
  bool rosetta; /* whether the guest gets Rosetta, as the share of that name */
};

struct Display {
  int64_t width, height; /* pixels */
  int64_t pixelsPerInch;
};

/* A guest that runs macOS, which Macs with Apple silicon alone have. The first disk is the one that it starts from. */
struct MacGuest {
  std::string hardwareModel;     /* base64, as the framework made it */
  std::string machineIdentifier; /* base64, as the framework made it */
  std::string auxiliaryStorage;  /* the path of a file that was made for this hardware model */
  Display display;               /* without one no such guest starts */
};

struct MachineConfiguration {
  std::variant<LinuxGuest, MacGuest> guest;
  uint64_t cpus;
  uint64_t memoryBytes; /* a multiple of 1 MiB */
  /* A guest that runs macOS has them all in the one folder where it looks for shares by itself, by their tags. */
  std::vector<Share> shares;
  std::vector<Disk> disks;
  std::optional<Network> network; /* behind the host's NAT; none: no device */
  int console;                    /* descriptor that the guest's console is written to; the caller's */
};

}  // namespace vz
