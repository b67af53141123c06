#include "share_devices.h"

#include "ns_failure.h"
#include "ns_text.h"
#include "rosetta_share.h"

namespace vz {

static VZSharedDirectory *directoryOf(const Share &share) {
  NSURL *url = [NSURL fileURLWithPath:string(share.path) isDirectory:YES];
  return [[[VZSharedDirectory alloc] initWithURL:url readOnly:share.readOnly] autorelease];
}

static VZDirectorySharingDeviceConfiguration *device(NSString *tag, VZDirectoryShare *share) {
  VZVirtioFileSystemDeviceConfiguration *made =
      [[[VZVirtioFileSystemDeviceConfiguration alloc] initWithTag:tag] autorelease];
  [made setShare:share];
  return made;
}

static NSArray *devicesOfLinux(const MachineConfiguration &machine, Outcome &outcome) {
  NSMutableArray *devices = [NSMutableArray array];
  NSError *error = nil;
  for (const Share &share : machine.shares) {
    if (![VZVirtioFileSystemDeviceConfiguration validateTag:string(share.tag) error:&error]) {
      outcome = failureAbout("share " + share.tag, error);
      return nil;
    }
    VZDirectoryShare *single =
        [[[VZSingleDirectoryShare alloc] initWithDirectory:directoryOf(share)] autorelease];
    [devices addObject:device(string(share.tag), single)];
  }
  if (!std::get<LinuxGuest>(machine.guest).rosetta) return devices;
  VZDirectoryShare *rosetta = rosettaShare(&error);
  if (rosetta == nil) {
    outcome = failureAbout("Rosetta", error);
    return nil;
  }
  /* By this name guests look for it. */
  [devices addObject:device(@"rosetta", rosetta)];
  return devices;
}

/* macOS mounts the share of one tag by itself, and that is the folder of all of them. */
static NSArray *devicesOfMac(const MachineConfiguration &machine, Outcome &outcome) {
  if (machine.shares.empty()) return @[];
  NSMutableDictionary *directories = [NSMutableDictionary dictionary];
  for (const Share &share : machine.shares) {
    NSError *error = nil;
    if (![VZMultipleDirectoryShare validateName:string(share.tag) error:&error]) {
      outcome = failureAbout("share " + share.tag, error);
      return nil;
    }
    [directories setObject:directoryOf(share) forKey:string(share.tag)];
  }
  VZDirectoryShare *all =
      [[[VZMultipleDirectoryShare alloc] initWithDirectories:directories] autorelease];
  return @[ device([VZVirtioFileSystemDeviceConfiguration macOSGuestAutomountTag], all) ];
}

NSArray<VZDirectorySharingDeviceConfiguration *> *shareDevices(const MachineConfiguration &machine, Outcome &outcome) {
  bool isMac = std::holds_alternative<MacGuest>(machine.guest);
  return isMac ? devicesOfMac(machine, outcome) : devicesOfLinux(machine, outcome);
}

}  // namespace vz
