/* macOS on its way onto a machine's first disk. Everything happens on the machine's queue. */
#pragma once
#import <Virtualization/Virtualization.h>

#include "outcome.h"

namespace vz {

/*
 * Starts the machine to install macOS. `progress` is told a fraction from 0 to 1, on any thread, and not after `done`. The
 * result is the caller's to release once `done` was called, which is not within this call; nil with the reason in `outcome`.
 */
NSObject *beginInstallation(VZVirtualMachine *machine, const std::string &restoreImage,
                            std::function<void(double)> progress, Done done, Outcome &outcome);
/* The installation ends soon, with a failure. */
void cancelInstallation(NSObject *installation);

}  // namespace vz
