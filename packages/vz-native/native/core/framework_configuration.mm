#include "framework_configuration.h"

#include "ns_failure.h"
#include "rosetta_share.h"

namespace vz {

static NSString *string(const std::string &text) {
  NSString *made = [NSString stringWithUTF8String:text.c_str()];
  if (made == nil) [NSException raise:NSInvalidArgumentException format:@"a text is not UTF-8"];
  return made;
}

static NSURL *file(const std::string &path) { return [NSURL fileURLWithPath:string(path) isDirectory:NO]; }

static VZBootLoader *bootLoader(const MachineConfiguration &machine) {
  VZLinuxBootLoader *loader = [[[VZLinuxBootLoader alloc] initWithKernelURL:file(machine.kernel)] autorelease];
  [loader setInitialRamdiskURL:file(machine.initramfs)];
  /* The one console that the machine has. */
  [loader setCommandLine:string("console=hvc0 " + machine.commandLine)];
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

static VZDirectorySharingDeviceConfiguration *shareDevice(const Share &share, NSError **error) {
  if (![VZVirtioFileSystemDeviceConfiguration validateTag:string(share.tag) error:error]) return nil;
  NSURL *url = [NSURL fileURLWithPath:string(share.path) isDirectory:YES];
  VZSharedDirectory *directory = [[[VZSharedDirectory alloc] initWithURL:url readOnly:share.readOnly] autorelease];
  VZVirtioFileSystemDeviceConfiguration *device =
      [[[VZVirtioFileSystemDeviceConfiguration alloc] initWithTag:string(share.tag)] autorelease];
  [device setShare:[[[VZSingleDirectoryShare alloc] initWithDirectory:directory] autorelease]];
  return device;
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

/* What the error says of a file does not name it. */
static Failure about(const std::string &subject, NSError *error) {
  Failure failure = failureOf(error);
  failure.message = subject + ": " + failure.message;
  return failure;
}

static VZVirtualMachineConfiguration *make(const MachineConfiguration &machine, Outcome &outcome) {
  VZVirtualMachineConfiguration *configuration = [[[VZVirtualMachineConfiguration alloc] init] autorelease];
  NSError *error = nil;
  [configuration setBootLoader:bootLoader(machine)];
  [configuration setPlatform:[[[VZGenericPlatformConfiguration alloc] init] autorelease]];
  [configuration setCPUCount:machine.cpus];
  [configuration setMemorySize:machine.memoryBytes];
  [configuration setSerialPorts:@[ console(machine.console) ]];
  /* Without it the guest's random numbers take a minute to begin. */
  [configuration setEntropyDevices:@[ [[[VZVirtioEntropyDeviceConfiguration alloc] init] autorelease] ]];
  [configuration
      setMemoryBalloonDevices:@[ [[[VZVirtioTraditionalMemoryBalloonDeviceConfiguration alloc] init] autorelease] ]];
  [configuration setSocketDevices:@[ [[[VZVirtioSocketDeviceConfiguration alloc] init] autorelease] ]];
  NSMutableArray *shares = [NSMutableArray array];
  for (const Share &share : machine.shares) {
    VZDirectorySharingDeviceConfiguration *device = shareDevice(share, &error);
    if (device == nil) {
      outcome = about("share " + share.tag, error);
      return nil;
    }
    [shares addObject:device];
  }
  if (machine.rosetta) {
    VZDirectoryShare *share = rosettaShare(&error);
    if (share == nil) {
      outcome = about("Rosetta", error);
      return nil;
    }
    /* By this name guests look for it. */
    VZVirtioFileSystemDeviceConfiguration *device =
        [[[VZVirtioFileSystemDeviceConfiguration alloc] initWithTag:@"rosetta"] autorelease];
    [device setShare:share];
    [shares addObject:device];
  }
  [configuration setDirectorySharingDevices:shares];
  NSMutableArray *disks = [NSMutableArray array];
  for (const Disk &disk : machine.disks) {
    VZStorageDeviceConfiguration *device = diskDevice(disk, &error);
    if (device == nil) {
      outcome = about("disk " + disk.serial + " (" + disk.path + ")", error);
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
