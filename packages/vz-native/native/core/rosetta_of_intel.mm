/* In place of rosetta.mm where the processor runs these programs itself: the framework has no such class there. */
#include "rosetta.h"
#include "rosetta_share.h"

namespace vz {

Rosetta rosetta() { return Rosetta::notSupported; }

void installRosetta(Done done) {
  done(Failure{"VZErrorDomain", VZErrorNotSupported, "Rosetta is for Macs with Apple silicon"});
}

VZDirectoryShare *rosettaShare(NSError **error) {
  if (error != nullptr) *error = [NSError errorWithDomain:VZErrorDomain code:VZErrorNotSupported userInfo:nil];
  return nil;
}

}  // namespace vz
