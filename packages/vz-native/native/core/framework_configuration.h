#pragma once
#import <Virtualization/Virtualization.h>

#include "outcome.h"
#include "machine_configuration.h"

namespace vz {

/*
 * Makes the framework's configuration of ours, and has the framework check it. The result is autoreleased; nil with the
 * framework's own words in `outcome` if it refused.
 */
VZVirtualMachineConfiguration *frameworkConfiguration(const MachineConfiguration &machine, Outcome &outcome);

}  // namespace vz
