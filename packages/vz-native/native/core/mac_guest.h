/* What guests that run macOS are made of. Macs with Apple silicon alone have them; elsewhere all of it is refused. */
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "outcome.h"

namespace vz {

/* Base64. No two guests that run may have the same one. Empty where there are no such guests. */
std::string newMachineIdentifier();

enum class HardwareModel { invalid, unsupported, supported };

const char *nameOf(HardwareModel model);
/* Whether this Mac has such hardware to offer to a guest. */
HardwareModel checkHardwareModel(const std::string &base64);

/* Makes the file that a guest of this hardware model keeps its firmware's settings in. There must not be one yet. */
Outcome createAuxiliaryStorage(const std::string &path, const std::string &hardwareModel);

/* What macOS is installed from: an .ipsw file. */
struct RestoreImage {
  std::string url;     /* of the file, or where Apple has it */
  std::string version; /* such as 15.1.0 */
  std::string build;   /* such as 24B83 */
  bool supported;      /* whether a guest of this Mac can run it */
  /* What it needs at least, where it is supported. */
  std::string hardwareModel; /* base64 */
  uint64_t minCpus;
  uint64_t minMemoryBytes;
};
using RestoreImageDone = std::function<void(RestoreImage, Outcome)>;

/* `done` may be called on any thread. */
void loadRestoreImage(const std::string &path, RestoreImageDone done);
/* Asks Apple for the latest that this Mac supports; nothing is downloaded but its description. */
void findLatestRestoreImage(RestoreImageDone done);

}  // namespace vz
