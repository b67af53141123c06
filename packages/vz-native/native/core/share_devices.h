#pragma once
#import <Virtualization/Virtualization.h>

#include "machine_configuration.h"
#include "outcome.h"

namespace vz {

/* The devices by which a guest has its shares. Nil with the framework's own words in `outcome` if it refused one. */
NSArray<VZDirectorySharingDeviceConfiguration *> *shareDevices(const MachineConfiguration &machine, Outcome &outcome);

}  // namespace vz
