/* The configuration file, read and checked. */
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "machine_configuration.h"

struct HostConfiguration {
  std::string statusFile;
  std::string controlSocket;
  std::string runDirectory; /* may be empty */
  bool keepOnOwnerExit;
  int64_t stopGraceMs;
  int64_t startTimeoutMs;
  std::string vsockSocket;
  std::string consoleFile;
  int64_t consoleBytes;
  std::vector<uint32_t> listen;
  vz::MachineConfiguration machine; /* without its console */
  std::string savedState;           /* what the machine goes on from; may be empty */
  std::string restoreImage;         /* what macOS is installed from, in place of a start; may be empty */
};

/* Names the key at fault. */
struct ConfigurationError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

HostConfiguration loadConfiguration(const char *path);
