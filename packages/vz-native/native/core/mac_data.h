/* What the framework keeps in files of its own form, from base64. */
#pragma once
#import <Virtualization/Virtualization.h>

#include <string>

#include "outcome.h"

namespace vz {

/* Nil for what is none. */
VZMacHardwareModel *hardwareModelOf(const std::string &base64);
VZMacMachineIdentifier *machineIdentifierOf(const std::string &base64);
std::string base64Of(NSData *data);
Failure notReadable(const std::string &what);

}  // namespace vz
