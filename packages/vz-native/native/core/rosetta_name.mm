#include "rosetta.h"

namespace vz {

const char *nameOf(Rosetta rosetta) {
  static const char *const names[] = {"not-supported", "not-installed", "installed"};
  return names[static_cast<int>(rosetta)];
}

}  // namespace vz
