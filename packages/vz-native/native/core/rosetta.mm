#include "rosetta.h"

#import <Virtualization/Virtualization.h>

#include "ns_failure.h"
#include "rosetta_share.h"

namespace vz {

Rosetta rosetta() {
  @autoreleasepool {
    switch ([VZLinuxRosettaDirectoryShare availability]) {
      case VZLinuxRosettaAvailabilityInstalled:
        return Rosetta::installed;
      case VZLinuxRosettaAvailabilityNotInstalled:
        return Rosetta::notInstalled;
      default:
        return Rosetta::notSupported;
    }
  }
}

void installRosetta(Done done) {
  @autoreleasepool {
    Outcome refused = guarded([&]() -> Outcome {
      /* A block takes a copy of a local variable, and of a reference only the reference. */
      auto finish = done;
      [VZLinuxRosettaDirectoryShare installRosettaWithCompletionHandler:^(NSError *error) {
        finish(outcomeOf(error));
      }];
      return std::nullopt;
    });
    if (refused) done(refused);
  }
}

VZDirectoryShare *rosettaShare(NSError **error) {
  return [[[VZLinuxRosettaDirectoryShare alloc] initWithError:error] autorelease];
}

}  // namespace vz
