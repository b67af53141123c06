/* The share by which a guest gets Rosetta. */
#pragma once
#import <Virtualization/Virtualization.h>

namespace vz {

/* Nil with an error where there is no Rosetta. */
VZDirectoryShare *rosettaShare(NSError **error);

}  // namespace vz
