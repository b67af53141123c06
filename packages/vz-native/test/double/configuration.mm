#include <unistd.h>

#import <Security/Security.h>
#import <Virtualization/Virtualization.h>

#include "machine_internals.h"
#include "vz_error.h"

static const uint64_t MEBIBYTE = 1024 * 1024;

static BOOL isEntitled(void) {
  return SecTaskCopyValueForEntitlement(NULL, CFSTR("com.apple.security.virtualization"), NULL) == kCFBooleanTrue;
}

static BOOL fileExists(NSURL *url, BOOL directory) {
  BOOL isDirectory = NO;
  return [[NSFileManager defaultManager] fileExistsAtPath:[url path] isDirectory:&isDirectory] &&
         isDirectory == directory;
}

@implementation VZVirtualMachineConfiguration
@synthesize bootLoader = _bootLoader;
@synthesize platform = _platform;
@synthesize memorySize = _memorySize;
@synthesize CPUCount = _CPUCount;
@synthesize directorySharingDevices = _directorySharingDevices;
@synthesize entropyDevices = _entropyDevices;
@synthesize graphicsDevices = _graphicsDevices;
@synthesize memoryBalloonDevices = _memoryBalloonDevices;
@synthesize networkDevices = _networkDevices;
@synthesize serialPorts = _serialPorts;
@synthesize socketDevices = _socketDevices;
@synthesize storageDevices = _storageDevices;

+ (uint64_t)minimumAllowedMemorySize {
  return 128 * MEBIBYTE;
}

+ (uint64_t)maximumAllowedMemorySize {
  return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / MEBIBYTE * MEBIBYTE;
}

+ (NSUInteger)minimumAllowedCPUCount {
  return 1;
}

+ (NSUInteger)maximumAllowedCPUCount {
  return (NSUInteger)sysconf(_SC_NPROCESSORS_ONLN);
}

- (id)init {
  if ((self = [super init]) != nil) {
    _CPUCount = 1;
    _memorySize = 512 * MEBIBYTE;
    _platform = [[VZGenericPlatformConfiguration alloc] init];
  }
  return self;
}

- (BOOL)validateSizes:(NSError **)error {
  if (_CPUCount < [VZVirtualMachineConfiguration minimumAllowedCPUCount]) {
    return invalid(error, @"The number of CPUs is below the minimum.");
  }
  if (_CPUCount > [VZVirtualMachineConfiguration maximumAllowedCPUCount]) {
    return invalid(error, @"The number of CPUs exceeds the maximum.");
  }
  if (_memorySize % MEBIBYTE != 0) return invalid(error, @"The memory size must be a multiple of 1 MiB.");
  if (_memorySize < [VZVirtualMachineConfiguration minimumAllowedMemorySize]) {
    return invalid(error, @"The memory size is below the minimum.");
  }
  if (_memorySize > [VZVirtualMachineConfiguration maximumAllowedMemorySize]) {
    return invalid(error, @"The memory size exceeds the maximum.");
  }
  return YES;
}

- (BOOL)isForMac {
  return [_platform isKindOfClass:[VZMacPlatformConfiguration class]];
}

- (BOOL)validateMac:(NSError **)error {
  if (![_bootLoader isKindOfClass:[VZMacOSBootLoader class]]) {
    return invalid(error, @"The boot loader does not fit the platform.");
  }
  VZMacPlatformConfiguration *platform = (VZMacPlatformConfiguration *)_platform;
  if ([platform hardwareModel] == nil) return invalid(error, @"The hardware model is not set.");
  if (![[platform hardwareModel] isSupported]) {
    return refuse(error, VZErrorNotSupported, @"The hardware model is not supported on this host.");
  }
  if ([platform auxiliaryStorage] == nil) return invalid(error, @"The auxiliary storage is not set.");
  if (![[platform auxiliaryStorage] fits:[platform hardwareModel]]) {
    return invalid(error, @"The auxiliary storage is missing, or was made for another hardware model.");
  }
  VZMacGraphicsDeviceConfiguration *graphics = (VZMacGraphicsDeviceConfiguration *)[_graphicsDevices firstObject];
  if (![graphics isKindOfClass:[VZMacGraphicsDeviceConfiguration class]] || [[graphics displays] count] != 1) {
    return invalid(error, @"A macOS guest needs a graphics device with one display.");
  }
  return YES;
}

- (BOOL)validateBoot:(NSError **)error {
  if (_bootLoader == nil) return invalid(error, @"The boot loader is not set.");
  if ([self isForMac]) return [self validateMac:error];
  if (![_bootLoader isKindOfClass:[VZLinuxBootLoader class]] ||
      ![_platform isKindOfClass:[VZGenericPlatformConfiguration class]]) {
    return invalid(error, @"The boot loader does not fit the platform.");
  }
  VZLinuxBootLoader *linux_ = (VZLinuxBootLoader *)_bootLoader;
  if (!fileExists([linux_ kernelURL], NO)) return invalid(error, @"The kernel file does not exist.");
  if ([linux_ initialRamdiskURL] != nil && !fileExists([linux_ initialRamdiskURL], NO)) {
    return invalid(error, @"The initial RAM disk file does not exist.");
  }
  return YES;
}

- (BOOL)validateShares:(NSError **)error {
  NSMutableSet *tags = [NSMutableSet set];
  for (VZVirtioFileSystemDeviceConfiguration *device in _directorySharingDevices) {
    if (![VZVirtioFileSystemDeviceConfiguration validateTag:[device tag] error:error]) return NO;
    if ([tags containsObject:[device tag]]) return invalid(error, @"Two directory sharing devices have the same tag.");
    [tags addObject:[device tag]];
    VZDirectoryShare *share = [device share];
    NSArray *directories = @[];
    if ([share isKindOfClass:[VZSingleDirectoryShare class]]) {
      directories = @[ [(VZSingleDirectoryShare *)share directory] ];
    } else if ([share isKindOfClass:[VZMultipleDirectoryShare class]]) {
      directories = [[(VZMultipleDirectoryShare *)share directories] allValues];
    }
    for (VZSharedDirectory *directory in directories) {
      if (!fileExists([directory URL], YES)) return invalid(error, @"The shared directory does not exist.");
    }
  }
  return YES;
}

- (BOOL)validateDisks:(NSError **)error {
  NSMutableSet *identifiers = [NSMutableSet set];
  for (VZVirtioBlockDeviceConfiguration *device in _storageDevices) {
    NSString *identifier = [device blockDeviceIdentifier];
    if (![VZVirtioBlockDeviceConfiguration validateBlockDeviceIdentifier:identifier error:error]) return NO;
    if ([identifier length] > 0 && [identifiers containsObject:identifier]) {
      return invalid(error, @"Two block devices have the same identifier.");
    }
    [identifiers addObject:identifier];
    VZDiskImageStorageDeviceAttachment *attachment = (VZDiskImageStorageDeviceAttachment *)[device attachment];
    /* The framework allows it. It has corrupted Linux guests' disks, so that the double does not. */
    if (![self isForMac] && ![attachment isReadOnly] && [attachment cachingMode] == VZDiskImageCachingModeAutomatic) {
      return invalid(error, @"A writable disk of a Linux guest must not be cached automatically.");
    }
  }
  return YES;
}

- (BOOL)validateNetwork:(NSError **)error {
  NSMutableSet *addresses = [NSMutableSet set];
  for (VZNetworkDeviceConfiguration *device in _networkDevices) {
    NSString *address = [[device MACAddress] string];
    if (![[device MACAddress] isUnicastAddress]) return invalid(error, @"The MAC address is not a unicast address.");
    if ([addresses containsObject:address]) return invalid(error, @"Two network devices have the same MAC address.");
    [addresses addObject:address];
  }
  return YES;
}

- (BOOL)validateWithError:(NSError **)error {
  if (!isEntitled()) {
    return invalid(error, @"The process doesn’t have the “com.apple.security.virtualization” entitlement.");
  }
  if ([_socketDevices count] > 1) return invalid(error, @"There is more than one socket device.");
  if ([_memoryBalloonDevices count] > 1) return invalid(error, @"There is more than one memory balloon device.");
  return [self validateBoot:error] && [self validateSizes:error] && [self validateShares:error] &&
         [self validateDisks:error] && [self validateNetwork:error];
}

- (BOOL)validateSaveRestoreSupportWithError:(NSError **)error {
  return refuse(error, VZErrorNotSupported, @"The double over QEMU cannot save machines.");
}

- (void)dealloc {
  [_bootLoader release];
  [_platform release];
  [_directorySharingDevices release];
  [_entropyDevices release];
  [_graphicsDevices release];
  [_memoryBalloonDevices release];
  [_networkDevices release];
  [_serialPorts release];
  [_socketDevices release];
  [_storageDevices release];
  [super dealloc];
}
@end
