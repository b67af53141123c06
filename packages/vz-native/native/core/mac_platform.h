#pragma once
#import <Virtualization/Virtualization.h>

#include "machine_configuration.h"
#include "outcome.h"

namespace vz {

/* Gives a configuration what makes it that of a guest that runs macOS: its boot loader, platform and graphics. */
Outcome setMacGuest(VZVirtualMachineConfiguration *configuration, const MacGuest &guest);

}  // namespace vz
