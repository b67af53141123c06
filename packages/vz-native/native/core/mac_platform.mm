#include "mac_platform.h"

#include "mac_data.h"
#include "ns_text.h"

namespace vz {

static VZGraphicsDeviceConfiguration *graphics(const Display &display) {
  VZMacGraphicsDeviceConfiguration *device = [[[VZMacGraphicsDeviceConfiguration alloc] init] autorelease];
  VZMacGraphicsDisplayConfiguration *only =
      [[[VZMacGraphicsDisplayConfiguration alloc] initWithWidthInPixels:display.width
                                                         heightInPixels:display.height
                                                          pixelsPerInch:display.pixelsPerInch] autorelease];
  [device setDisplays:@[ only ]];
  return device;
}

Outcome setMacGuest(VZVirtualMachineConfiguration *configuration, const MacGuest &guest) {
  VZMacHardwareModel *model = hardwareModelOf(guest.hardwareModel);
  if (model == nil) return notReadable("the hardware model");
  if (![model isSupported]) {
    return Failure{"VZErrorDomain", VZErrorNotSupported, "this Mac does not support the hardware model of the guest"};
  }
  VZMacMachineIdentifier *identifier = machineIdentifierOf(guest.machineIdentifier);
  if (identifier == nil) return notReadable("the machine identifier");
  VZMacPlatformConfiguration *platform = [[[VZMacPlatformConfiguration alloc] init] autorelease];
  [platform setHardwareModel:model];
  [platform setMachineIdentifier:identifier];
  [platform setAuxiliaryStorage:[[[VZMacAuxiliaryStorage alloc] initWithURL:file(guest.auxiliaryStorage)] autorelease]];
  [configuration setPlatform:platform];
  [configuration setBootLoader:[[[VZMacOSBootLoader alloc] init] autorelease]];
  [configuration setGraphicsDevices:@[ graphics(guest.display) ]];
  return std::nullopt;
}

}  // namespace vz
