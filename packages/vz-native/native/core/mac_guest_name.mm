#include "mac_guest.h"

namespace vz {

const char *nameOf(HardwareModel model) {
  static const char *const names[] = {"invalid", "unsupported", "supported"};
  return names[static_cast<int>(model)];
}

}  // namespace vz
