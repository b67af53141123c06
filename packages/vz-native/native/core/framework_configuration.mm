#include "framework_configuration.h"

#include "mac_platform.h"
#include "ns_failure.h"
#include "ns_text.h"
#include "share_devices.h"

namespace vz {

static VZBootLoader *bootLoader(const LinuxGuest &guest) {
  VZLinuxBootLoader *loader = [[[VZLinuxBootLoader alloc] initWithKernelURL:file(guest.kernel)] autorelease];
  [loader setInitialRamdiskURL:file(guest.initramfs)];
  /* The one console that the machine has. */
  [loader setCommandLine:string("console=hvc0 " + guest.commandLine)];
  return loader;
}

static VZSerialPortConfiguration *console(int descriptor) {
  NSFileHandle *handle = [[[NSFileHandle alloc] initWithFileDescriptor:descriptor closeOnDealloc:NO] autorelease];
  VZVirtioConsoleDeviceSerialPortConfiguration *port =
      [[[VZVirtioConsoleDeviceSerialPortConfiguration alloc] init] autorelease];
  [port setAttachment:[[[VZFileHandleSerialPortAttachment alloc] initWithFileHandleForReading:nil
                                                                         fileHandleForWriting:handle] autorelease]];
  return port;
}

static VZStorageDeviceConfiguration *diskDevice(const Disk &disk, NSError **error) {
  /* Never automatic: that has corrupted disks of Linux guests. */
  VZDiskImageCachingMode caching =
      disk.cache == DiskCache::direct ? VZDiskImageCachingModeUncached : VZDiskImageCachingModeCached;
  VZDiskImageSynchronizationMode synchronization =
      disk.cache == DiskCache::unsafe ? VZDiskImageSynchronizationModeNone : VZDiskImageSynchronizationModeFull;
  VZDiskImageStorageDeviceAttachment *attachment =
      [[[VZDiskImageStorageDeviceAttachment alloc] initWithURL:file(disk.path)
                                                      readOnly:disk.readOnly
                                                   cachingMode:caching
                                           synchronizationMode:synchronization
                                                         error:error] autorelease];
  if (attachment == nil ||
      ![VZVirtioBlockDeviceConfiguration validateBlockDeviceIdentifier:string(disk.serial) error:error]) {
    return nil;
  }
  VZVirtioBlockDeviceConfiguration *device =
      [[[VZVirtioBlockDeviceConfiguration alloc] initWithAttachment:attachment] autorelease];
  [device setBlockDeviceIdentifier:string(disk.serial)];
  return device;
}

static VZNetworkDeviceConfiguration *networkDevice(const Network &network) {
  VZVirtioNetworkDeviceConfiguration *device = [[[VZVirtioNetworkDeviceConfiguration alloc] init] autorelease];
  [device setAttachment:[[[VZNATNetworkDeviceAttachment alloc] init] autorelease]];
  if (network.mac) {
    VZMACAddress *address = [[[VZMACAddress alloc] initWithString:string(*network.mac)] autorelease];
    if (address == nil) [NSException raise:NSInvalidArgumentException format:@"%s is no MAC", network.mac->c_str()];
    [device setMACAddress:address];
  }
  return device;
}

static VZVirtualMachineConfiguration *make(const MachineConfiguration &machine, Outcome &outcome) {
  VZVirtualMachineConfiguration *configuration = [[[VZVirtualMachineConfiguration alloc] init] autorelease];
  NSError *error = nil;
  if (const auto *mac = std::get_if<MacGuest>(&machine.guest)) {
    outcome = setMacGuest(configuration, *mac);
    if (outcome) return nil;
  } else {
    [configuration setBootLoader:bootLoader(std::get<LinuxGuest>(machine.guest))];
    [configuration setPlatform:[[[VZGenericPlatformConfiguration alloc] init] autorelease]];
  }
  [configuration setCPUCount:machine.cpus];
  [configuration setMemorySize:machine.memoryBytes];
  [configuration setSerialPorts:@[ console(machine.console) ]];
  /* Without it the guest's random numbers take a minute to begin. */
  [configuration setEntropyDevices:@[ [[[VZVirtioEntropyDeviceConfiguration alloc] init] autorelease] ]];
  [configuration
      setMemoryBalloonDevices:@[ [[[VZVirtioTraditionalMemoryBalloonDeviceConfiguration alloc] init] autorelease] ]];
  [configuration setSocketDevices:@[ [[[VZVirtioSocketDeviceConfiguration alloc] init] autorelease] ]];
  NSArray *shares = shareDevices(machine, outcome);
  if (shares == nil) return nil;
  [configuration setDirectorySharingDevices:shares];
  NSMutableArray *disks = [NSMutableArray array];
  for (const Disk &disk : machine.disks) {
    VZStorageDeviceConfiguration *device = diskDevice(disk, &error);
    if (device == nil) {
      outcome = failureAbout("disk " + disk.serial + " (" + disk.path + ")", error);
      return nil;
    }
    [disks addObject:device];
  }
  [configuration setStorageDevices:disks];
  [configuration setNetworkDevices:machine.network ? @[ networkDevice(*machine.network) ] : @[]];
  if (![configuration validateWithError:&error]) {
    outcome = failureOf(error);
    return nil;
  }
  return configuration;
}

VZVirtualMachineConfiguration *frameworkConfiguration(const MachineConfiguration &machine, Outcome &outcome) {
  VZVirtualMachineConfiguration *configuration = nil;
  outcome = guarded([&] {
    Outcome refused;
    configuration = make(machine, refused);
    return refused;
  });
  return outcome ? nil : configuration;
}

}  // namespace vz
