#pragma once
#include <string>

#import <Virtualization/Virtualization.h>

/* What zlayer-host is to run for a machine, as the text of its configuration file. */
std::string emulatorConfiguration(VZVirtualMachineConfiguration *configuration, const std::string &directory);
