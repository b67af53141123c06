/* What this system and this process can do. None of it needs a queue. */
#pragma once
#include <cstdint>
#include <string>

namespace vz {

/* Whether the hardware and the system can run machines. */
bool isSupported();
/* Whether this process carries the entitlement com.apple.security.virtualization. */
bool isEntitled();

struct Limits {
  uint64_t minCpus, maxCpus;
  uint64_t minMemoryBytes, maxMemoryBytes;
};
Limits limits();

/* A unicast address that belongs to no vendor. */
std::string randomMac();
/* Whether a device of a machine can have this address. */
bool isMac(const std::string &text);

}  // namespace vz
