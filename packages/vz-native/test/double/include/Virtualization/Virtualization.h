/*
 * Virtualization.framework as far as the core uses it: the names and types of Apple's interface, which a test compares
 * with what is known of it. What the double adds lies in VZDoubleObject.h.
 */
#import <Foundation/Foundation.h>
#include <dispatch/dispatch.h>

#import "VZDoubleObject.h"

#ifdef __cplusplus
extern "C" {
#endif
extern NSString *const VZErrorDomain;
#ifdef __cplusplus
}
#endif

typedef NSInteger VZErrorCode;
enum {
  VZErrorInternal = 1,
  VZErrorInvalidVirtualMachineConfiguration = 2,
  VZErrorInvalidVirtualMachineState = 3,
  VZErrorInvalidVirtualMachineStateTransition = 4,
  VZErrorInvalidDiskImage = 5,
  VZErrorVirtualMachineLimitExceeded = 6,
  VZErrorOperationCancelled = 9,
  VZErrorNotSupported = 10,
  VZErrorSave = 11,
  VZErrorRestore = 12,
  VZErrorRestoreImageCatalogLoadFailed = 10001,
  VZErrorRestoreImageLoadFailed = 10004,
  VZErrorInvalidRestoreImage = 10005,
  VZErrorInstallationFailed = 10007,
};

typedef NSInteger VZVirtualMachineState;
enum {
  VZVirtualMachineStateStopped = 0,
  VZVirtualMachineStateRunning = 1,
  VZVirtualMachineStatePaused = 2,
  VZVirtualMachineStateError = 3,
  VZVirtualMachineStateStarting = 4,
  VZVirtualMachineStatePausing = 5,
  VZVirtualMachineStateResuming = 6,
  VZVirtualMachineStateStopping = 7,
  VZVirtualMachineStateSaving = 8,
  VZVirtualMachineStateRestoring = 9,
};

typedef NSInteger VZDiskImageCachingMode;
typedef NSInteger VZDiskImageSynchronizationMode;
enum {
  VZDiskImageCachingModeAutomatic = 0,
  VZDiskImageCachingModeUncached = 1,
  VZDiskImageCachingModeCached = 2,
  VZDiskImageSynchronizationModeFull = 1,
  VZDiskImageSynchronizationModeFsync = 2,
  VZDiskImageSynchronizationModeNone = 3,
};

@class VZVirtualMachine, VZVirtioSocketConnection, VZVirtioSocketDevice, VZVirtioSocketListener;

@interface VZBootLoader : VZDoubleObject
@end

@interface VZLinuxBootLoader : VZBootLoader {
  NSURL *_kernelURL;
  NSString *_commandLine;
  NSURL *_initialRamdiskURL;
}
- (instancetype)initWithKernelURL:(NSURL *)url;
@property(nonatomic, copy) NSURL *kernelURL;
@property(nonatomic, copy) NSString *commandLine;
@property(nonatomic, copy) NSURL *initialRamdiskURL;
@end

@interface VZPlatformConfiguration : VZDoubleObject
@end

@interface VZGenericPlatformConfiguration : VZPlatformConfiguration
@end

@interface VZMacHardwareModel : VZDoubleObject {
  NSData *_dataRepresentation;
}
- (instancetype)initWithDataRepresentation:(NSData *)data;
@property(nonatomic, readonly, copy) NSData *dataRepresentation;
- (BOOL)isSupported;
@end

@interface VZMacMachineIdentifier : VZDoubleObject {
  NSData *_dataRepresentation;
}
- (instancetype)init;
- (instancetype)initWithDataRepresentation:(NSData *)data;
@property(nonatomic, readonly, copy) NSData *dataRepresentation;
@end

typedef NSInteger VZMacAuxiliaryStorageInitializationOptions;

@interface VZMacAuxiliaryStorage : VZDoubleObject {
  NSURL *_URL;
}
- (instancetype)initWithURL:(NSURL *)url;
- (instancetype)initCreatingStorageAtURL:(NSURL *)url
                           hardwareModel:(VZMacHardwareModel *)model
                                 options:(VZMacAuxiliaryStorageInitializationOptions)options
                                   error:(NSError **)error;
@property(nonatomic, readonly) NSURL *URL;
@end

@interface VZMacPlatformConfiguration : VZPlatformConfiguration {
  VZMacHardwareModel *_hardwareModel;
  VZMacMachineIdentifier *_machineIdentifier;
  VZMacAuxiliaryStorage *_auxiliaryStorage;
}
@property(nonatomic, copy) VZMacHardwareModel *hardwareModel;
@property(nonatomic, copy) VZMacMachineIdentifier *machineIdentifier;
@property(nonatomic, retain) VZMacAuxiliaryStorage *auxiliaryStorage;
@end

@interface VZMacOSBootLoader : VZBootLoader
- (instancetype)init;
@end

@interface VZGraphicsDisplayConfiguration : VZDoubleObject
@end

@interface VZMacGraphicsDisplayConfiguration : VZGraphicsDisplayConfiguration {
  NSInteger _widthInPixels;
  NSInteger _heightInPixels;
  NSInteger _pixelsPerInch;
}
- (instancetype)initWithWidthInPixels:(NSInteger)width heightInPixels:(NSInteger)height pixelsPerInch:(NSInteger)density;
@property(nonatomic) NSInteger widthInPixels;
@property(nonatomic) NSInteger heightInPixels;
@property(nonatomic) NSInteger pixelsPerInch;
@end

@interface VZGraphicsDeviceConfiguration : VZDoubleObject
@end

@interface VZMacGraphicsDeviceConfiguration : VZGraphicsDeviceConfiguration {
  NSArray *_displays;
}
- (instancetype)init;
@property(nonatomic, copy) NSArray<VZMacGraphicsDisplayConfiguration *> *displays;
@end

@interface VZSerialPortAttachment : VZDoubleObject
@end

@interface VZFileHandleSerialPortAttachment : VZSerialPortAttachment {
  NSFileHandle *_fileHandleForReading;
  NSFileHandle *_fileHandleForWriting;
}
- (instancetype)initWithFileHandleForReading:(NSFileHandle *)reading fileHandleForWriting:(NSFileHandle *)writing;
@property(nonatomic, readonly) NSFileHandle *fileHandleForReading;
@property(nonatomic, readonly) NSFileHandle *fileHandleForWriting;
@end

@interface VZSerialPortConfiguration : VZDoubleObject {
  VZSerialPortAttachment *_attachment;
}
@property(nonatomic, retain) VZSerialPortAttachment *attachment;
@end

@interface VZVirtioConsoleDeviceSerialPortConfiguration : VZSerialPortConfiguration
@end

@interface VZEntropyDeviceConfiguration : VZDoubleObject
@end

@interface VZVirtioEntropyDeviceConfiguration : VZEntropyDeviceConfiguration
@end

@interface VZMemoryBalloonDeviceConfiguration : VZDoubleObject
@end

@interface VZVirtioTraditionalMemoryBalloonDeviceConfiguration : VZMemoryBalloonDeviceConfiguration
@end

@interface VZMemoryBalloonDevice : VZDoubleObject
@end

@interface VZVirtioTraditionalMemoryBalloonDevice : VZMemoryBalloonDevice {
  VZVirtualMachine *_machine;
  uint64_t _targetVirtualMachineMemorySize;
}
@property(nonatomic) uint64_t targetVirtualMachineMemorySize;
@end

@interface VZMACAddress : VZDoubleObject {
  unsigned char _bytes[6];
}
- (instancetype)initWithString:(NSString *)string;
+ (instancetype)randomLocallyAdministeredAddress;
- (NSString *)string;
- (BOOL)isUnicastAddress;
- (BOOL)isLocallyAdministeredAddress;
@end

@interface VZNetworkDeviceAttachment : VZDoubleObject
@end

@interface VZNATNetworkDeviceAttachment : VZNetworkDeviceAttachment
@end

@interface VZNetworkDevice : VZDoubleObject
@end

@interface VZNetworkDeviceConfiguration : VZDoubleObject {
  VZMACAddress *_MACAddress;
  VZNetworkDeviceAttachment *_attachment;
}
@property(nonatomic, copy) VZMACAddress *MACAddress;
@property(nonatomic, retain) VZNetworkDeviceAttachment *attachment;
@end

@interface VZVirtioNetworkDeviceConfiguration : VZNetworkDeviceConfiguration
@end

@interface VZStorageDeviceAttachment : VZDoubleObject
@end

@interface VZDiskImageStorageDeviceAttachment : VZStorageDeviceAttachment {
  NSURL *_URL;
  BOOL _readOnly;
  VZDiskImageCachingMode _cachingMode;
  VZDiskImageSynchronizationMode _synchronizationMode;
}
- (instancetype)initWithURL:(NSURL *)url
                   readOnly:(BOOL)readOnly
                cachingMode:(VZDiskImageCachingMode)cachingMode
        synchronizationMode:(VZDiskImageSynchronizationMode)synchronizationMode
                      error:(NSError **)error;
@property(nonatomic, readonly) NSURL *URL;
@property(nonatomic, readonly, getter=isReadOnly) BOOL readOnly;
@property(nonatomic, readonly) VZDiskImageCachingMode cachingMode;
@property(nonatomic, readonly) VZDiskImageSynchronizationMode synchronizationMode;
@end

@interface VZStorageDeviceConfiguration : VZDoubleObject {
  VZStorageDeviceAttachment *_attachment;
}
@property(nonatomic, readonly) VZStorageDeviceAttachment *attachment;
@end

@interface VZVirtioBlockDeviceConfiguration : VZStorageDeviceConfiguration {
  NSString *_blockDeviceIdentifier;
}
- (instancetype)initWithAttachment:(VZStorageDeviceAttachment *)attachment;
+ (BOOL)validateBlockDeviceIdentifier:(NSString *)identifier error:(NSError **)error;
@property(nonatomic, copy) NSString *blockDeviceIdentifier;
@end

@interface VZSharedDirectory : VZDoubleObject {
  NSURL *_URL;
  BOOL _readOnly;
}
- (instancetype)initWithURL:(NSURL *)url readOnly:(BOOL)readOnly;
@property(nonatomic, readonly) NSURL *URL;
@property(nonatomic, readonly, getter=isReadOnly) BOOL readOnly;
@end

@interface VZDirectoryShare : VZDoubleObject
@end

@interface VZSingleDirectoryShare : VZDirectoryShare {
  VZSharedDirectory *_directory;
}
- (instancetype)initWithDirectory:(VZSharedDirectory *)directory;
@property(nonatomic, readonly) VZSharedDirectory *directory;
@end

@interface VZMultipleDirectoryShare : VZDirectoryShare {
  NSDictionary *_directories;
}
- (instancetype)initWithDirectories:(NSDictionary<NSString *, VZSharedDirectory *> *)directories;
@property(nonatomic, readonly, copy) NSDictionary<NSString *, VZSharedDirectory *> *directories;
+ (BOOL)validateName:(NSString *)name error:(NSError **)error;
@end

typedef enum {
  VZLinuxRosettaAvailabilityNotSupported = 0,
  VZLinuxRosettaAvailabilityNotInstalled = 1,
  VZLinuxRosettaAvailabilityInstalled = 2,
} VZLinuxRosettaAvailability;

@interface VZLinuxRosettaDirectoryShare : VZDirectoryShare
- (instancetype)initWithError:(NSError **)error;
+ (void)installRosettaWithCompletionHandler:(void (^)(NSError *))handler;
+ (VZLinuxRosettaAvailability)availability;
@end

@interface VZDirectorySharingDeviceConfiguration : VZDoubleObject
@end

@interface VZVirtioFileSystemDeviceConfiguration : VZDirectorySharingDeviceConfiguration {
  NSString *_tag;
  VZDirectoryShare *_share;
}
- (instancetype)initWithTag:(NSString *)tag;
+ (BOOL)validateTag:(NSString *)tag error:(NSError **)error;
+ (NSString *)macOSGuestAutomountTag;
@property(nonatomic, copy) NSString *tag;
@property(nonatomic, retain) VZDirectoryShare *share;
@end

@interface VZSocketDeviceConfiguration : VZDoubleObject
@end

@interface VZVirtioSocketDeviceConfiguration : VZSocketDeviceConfiguration
@end

@interface VZSocketDevice : VZDoubleObject
@end

@interface VZVirtioSocketConnection : VZDoubleObject {
  uint32_t _destinationPort;
  uint32_t _sourcePort;
  int _fileDescriptor;
}
@property(nonatomic, readonly) uint32_t destinationPort;
@property(nonatomic, readonly) uint32_t sourcePort;
@property(nonatomic, readonly) int fileDescriptor;
- (void)close;
@end

@protocol VZVirtioSocketListenerDelegate <NSObject>
@optional
- (BOOL)listener:(VZVirtioSocketListener *)listener
    shouldAcceptNewConnection:(VZVirtioSocketConnection *)connection
             fromSocketDevice:(VZVirtioSocketDevice *)device;
@end

@interface VZVirtioSocketListener : VZDoubleObject {
  id<VZVirtioSocketListenerDelegate> _delegate;
}
@property(nonatomic, assign) id<VZVirtioSocketListenerDelegate> delegate;
@end

@interface VZVirtioSocketDevice : VZSocketDevice {
  VZVirtualMachine *_machine;
  NSMutableDictionary *_listeners;
}
- (void)setSocketListener:(VZVirtioSocketListener *)listener forPort:(uint32_t)port;
- (void)removeSocketListenerForPort:(uint32_t)port;
- (void)connectToPort:(uint32_t)port
    completionHandler:(void (^)(VZVirtioSocketConnection *connection, NSError *error))handler;
@end

@interface VZVirtualMachineConfiguration : VZDoubleObject {
  VZBootLoader *_bootLoader;
  VZPlatformConfiguration *_platform;
  uint64_t _memorySize;
  NSUInteger _CPUCount;
  NSArray *_directorySharingDevices;
  NSArray *_entropyDevices;
  NSArray *_graphicsDevices;
  NSArray *_memoryBalloonDevices;
  NSArray *_networkDevices;
  NSArray *_serialPorts;
  NSArray *_socketDevices;
  NSArray *_storageDevices;
}
@property(nonatomic, retain) VZBootLoader *bootLoader;
@property(nonatomic, retain) VZPlatformConfiguration *platform;
@property(nonatomic) uint64_t memorySize;
@property(nonatomic) NSUInteger CPUCount;
@property(nonatomic, copy) NSArray<VZDirectorySharingDeviceConfiguration *> *directorySharingDevices;
@property(nonatomic, copy) NSArray<VZEntropyDeviceConfiguration *> *entropyDevices;
@property(nonatomic, copy) NSArray<VZGraphicsDeviceConfiguration *> *graphicsDevices;
@property(nonatomic, copy) NSArray<VZMemoryBalloonDeviceConfiguration *> *memoryBalloonDevices;
@property(nonatomic, copy) NSArray<VZNetworkDeviceConfiguration *> *networkDevices;
@property(nonatomic, copy) NSArray<VZSerialPortConfiguration *> *serialPorts;
@property(nonatomic, copy) NSArray<VZSocketDeviceConfiguration *> *socketDevices;
@property(nonatomic, copy) NSArray<VZStorageDeviceConfiguration *> *storageDevices;
- (BOOL)validateWithError:(NSError **)error;
- (BOOL)validateSaveRestoreSupportWithError:(NSError **)error;
+ (uint64_t)minimumAllowedMemorySize;
+ (uint64_t)maximumAllowedMemorySize;
+ (NSUInteger)minimumAllowedCPUCount;
+ (NSUInteger)maximumAllowedCPUCount;
@end

@protocol VZVirtualMachineDelegate <NSObject>
@optional
- (void)guestDidStopVirtualMachine:(VZVirtualMachine *)machine;
- (void)virtualMachine:(VZVirtualMachine *)machine didStopWithError:(NSError *)error;
@end

struct VZDoubleMachine;

@interface VZVirtualMachine : VZDoubleObject {
  struct VZDoubleMachine *_double;
  dispatch_queue_t _queue;
  id<VZVirtualMachineDelegate> _delegate;
}
- (instancetype)initWithConfiguration:(VZVirtualMachineConfiguration *)configuration queue:(dispatch_queue_t)queue;
+ (BOOL)isSupported;
- (VZVirtualMachineState)state;
@property(nonatomic, assign) id<VZVirtualMachineDelegate> delegate;
- (BOOL)canRequestStop;
- (NSArray<VZMemoryBalloonDevice *> *)memoryBalloonDevices;
- (NSArray<VZSocketDevice *> *)socketDevices;
- (void)startWithCompletionHandler:(void (^)(NSError *error))handler;
- (void)stopWithCompletionHandler:(void (^)(NSError *error))handler;
- (void)pauseWithCompletionHandler:(void (^)(NSError *error))handler;
- (void)resumeWithCompletionHandler:(void (^)(NSError *error))handler;
- (void)restoreMachineStateFromURL:(NSURL *)url completionHandler:(void (^)(NSError *error))handler;
- (void)saveMachineStateToURL:(NSURL *)url completionHandler:(void (^)(NSError *error))handler;
- (BOOL)requestStopWithError:(NSError **)error;
@end

@interface VZMacOSConfigurationRequirements : VZDoubleObject {
  VZMacHardwareModel *_hardwareModel;
  NSUInteger _minimumSupportedCPUCount;
  uint64_t _minimumSupportedMemorySize;
}
@property(nonatomic, readonly) VZMacHardwareModel *hardwareModel;
@property(nonatomic, readonly) NSUInteger minimumSupportedCPUCount;
@property(nonatomic, readonly) uint64_t minimumSupportedMemorySize;
@end

@interface VZMacOSRestoreImage : VZDoubleObject {
  NSURL *_URL;
  NSDictionary *_facts;
}
+ (void)loadFileURL:(NSURL *)url completionHandler:(void (^)(VZMacOSRestoreImage *image, NSError *error))handler;
+ (void)fetchLatestSupportedWithCompletionHandler:(void (^)(VZMacOSRestoreImage *image, NSError *error))handler;
- (BOOL)isSupported;
@property(nonatomic, readonly) NSURL *URL;
@property(nonatomic, readonly) NSString *buildVersion;
@property(nonatomic, readonly) NSOperatingSystemVersion operatingSystemVersion;
@property(nonatomic, readonly) VZMacOSConfigurationRequirements *mostFeaturefulSupportedConfiguration;
@end

@interface VZMacOSInstaller : VZDoubleObject {
  VZVirtualMachine *_virtualMachine;
  NSURL *_restoreImageURL;
  NSProgress *_progress;
}
- (instancetype)initWithVirtualMachine:(VZVirtualMachine *)machine restoreImageURL:(NSURL *)url;
- (void)installWithCompletionHandler:(void (^)(NSError *error))handler;
@property(nonatomic, readonly) NSProgress *progress;
@property(nonatomic, readonly) VZVirtualMachine *virtualMachine;
@property(nonatomic, readonly) NSURL *restoreImageURL;
@end
