#include <random>

#import <Virtualization/Virtualization.h>

#include "vz_error.h"

@implementation VZBootLoader
@end

@implementation VZLinuxBootLoader
@synthesize kernelURL = _kernelURL;
@synthesize commandLine = _commandLine;
@synthesize initialRamdiskURL = _initialRamdiskURL;

- (instancetype)initWithKernelURL:(NSURL *)url {
  if ((self = [super init]) != nil) {
    _kernelURL = [url copy];
    _commandLine = @"";
  }
  return self;
}

- (void)dealloc {
  [_kernelURL release];
  [_commandLine release];
  [_initialRamdiskURL release];
  [super dealloc];
}
@end

@implementation VZPlatformConfiguration
@end

@implementation VZGenericPlatformConfiguration
@end

@implementation VZSerialPortAttachment
@end

@implementation VZFileHandleSerialPortAttachment
@synthesize fileHandleForReading = _fileHandleForReading;
@synthesize fileHandleForWriting = _fileHandleForWriting;

- (instancetype)initWithFileHandleForReading:(NSFileHandle *)reading fileHandleForWriting:(NSFileHandle *)writing {
  if ((self = [super init]) != nil) {
    _fileHandleForReading = [reading retain];
    _fileHandleForWriting = [writing retain];
  }
  return self;
}

- (void)dealloc {
  [_fileHandleForReading release];
  [_fileHandleForWriting release];
  [super dealloc];
}
@end

@implementation VZSerialPortConfiguration
@synthesize attachment = _attachment;

- (void)dealloc {
  [_attachment release];
  [super dealloc];
}
@end

@implementation VZVirtioConsoleDeviceSerialPortConfiguration
@end

@implementation VZEntropyDeviceConfiguration
@end

@implementation VZVirtioEntropyDeviceConfiguration
@end

@implementation VZMemoryBalloonDeviceConfiguration
@end

@implementation VZVirtioTraditionalMemoryBalloonDeviceConfiguration
@end

@implementation VZMACAddress

- (instancetype)initWithString:(NSString *)string {
  if ((self = [super init]) == nil) return nil;
  unsigned parts[6];
  int end = 0;
  const char *text = [string UTF8String];
  int count = text == NULL ? 0
                           : sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &parts[0], &parts[1], &parts[2], &parts[3],
                                    &parts[4], &parts[5], &end);
  if (count != 6 || [string length] != 17 || end != 17) {
    [self release];
    return nil;
  }
  for (int i = 0; i < 6; i++) _bytes[i] = (unsigned char)parts[i];
  return self;
}

+ (instancetype)randomLocallyAdministeredAddress {
  VZMACAddress *address = [[[VZMACAddress alloc] init] autorelease];
  std::random_device random;
  for (unsigned char &byte : address->_bytes) byte = (unsigned char)random();
  address->_bytes[0] = (unsigned char)((address->_bytes[0] | 2) & ~1);
  return address;
}

- (id)copyWithZone:(NSZone *)zone {
  return [self retain];
}

- (NSString *)string {
  const unsigned char *b = _bytes;
  return [NSString stringWithFormat:@"%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5]];
}

- (BOOL)isUnicastAddress {
  return (_bytes[0] & 1) == 0;
}

- (BOOL)isLocallyAdministeredAddress {
  return (_bytes[0] & 2) != 0;
}
@end

@implementation VZNetworkDeviceAttachment
@end

@implementation VZNATNetworkDeviceAttachment
@end

@implementation VZNetworkDevice
@end

@implementation VZNetworkDeviceConfiguration
@synthesize MACAddress = _MACAddress;
@synthesize attachment = _attachment;

- (id)init {
  if ((self = [super init]) != nil) _MACAddress = [[VZMACAddress randomLocallyAdministeredAddress] retain];
  return self;
}

- (void)dealloc {
  [_MACAddress release];
  [_attachment release];
  [super dealloc];
}
@end

@implementation VZVirtioNetworkDeviceConfiguration
@end

@implementation VZStorageDeviceAttachment
@end

@implementation VZDiskImageStorageDeviceAttachment
@synthesize URL = _URL;
@synthesize readOnly = _readOnly;
@synthesize cachingMode = _cachingMode;
@synthesize synchronizationMode = _synchronizationMode;

- (instancetype)initWithURL:(NSURL *)url
                   readOnly:(BOOL)readOnly
                cachingMode:(VZDiskImageCachingMode)cachingMode
        synchronizationMode:(VZDiskImageSynchronizationMode)synchronizationMode
                      error:(NSError **)error {
  if ((self = [super init]) == nil) return nil;
  NSFileManager *files = [NSFileManager defaultManager];
  NSString *path = [url path];
  unsigned long long size = [[[files attributesOfItemAtPath:path error:NULL] objectForKey:NSFileSize]
      unsignedLongLongValue];
  BOOL usable = readOnly ? [files isReadableFileAtPath:path] : [files isWritableFileAtPath:path];
  if (!usable || size == 0 || size % 512 != 0) {
    refuse(error, VZErrorInvalidDiskImage, @"Invalid disk image. The disk image format is not recognized.");
    [self release];
    return nil;
  }
  _URL = [url copy];
  _readOnly = readOnly;
  _cachingMode = cachingMode;
  _synchronizationMode = synchronizationMode;
  return self;
}

- (void)dealloc {
  [_URL release];
  [super dealloc];
}
@end

@implementation VZStorageDeviceConfiguration
@synthesize attachment = _attachment;

- (void)dealloc {
  [_attachment release];
  [super dealloc];
}
@end

@implementation VZVirtioBlockDeviceConfiguration
@synthesize blockDeviceIdentifier = _blockDeviceIdentifier;

- (instancetype)initWithAttachment:(VZStorageDeviceAttachment *)attachment {
  if ((self = [super init]) != nil) {
    _attachment = [attachment retain];
    _blockDeviceIdentifier = @"";
  }
  return self;
}

+ (BOOL)validateBlockDeviceIdentifier:(NSString *)identifier error:(NSError **)error {
  if ([identifier canBeConvertedToEncoding:NSASCIIStringEncoding] && [identifier length] <= 20) return YES;
  return invalid(error, @"The block device identifier must be at most 20 ASCII characters.");
}

- (void)dealloc {
  [_blockDeviceIdentifier release];
  [super dealloc];
}
@end

@implementation VZSharedDirectory
@synthesize URL = _URL;
@synthesize readOnly = _readOnly;

- (instancetype)initWithURL:(NSURL *)url readOnly:(BOOL)readOnly {
  if ((self = [super init]) != nil) {
    _URL = [url copy];
    _readOnly = readOnly;
  }
  return self;
}

- (void)dealloc {
  [_URL release];
  [super dealloc];
}
@end

@implementation VZDirectoryShare
@end

@implementation VZSingleDirectoryShare
@synthesize directory = _directory;

- (instancetype)initWithDirectory:(VZSharedDirectory *)directory {
  if ((self = [super init]) != nil) _directory = [directory retain];
  return self;
}

- (void)dealloc {
  [_directory release];
  [super dealloc];
}
@end

@implementation VZMultipleDirectoryShare
@synthesize directories = _directories;

- (instancetype)initWithDirectories:(NSDictionary *)directories {
  if ((self = [super init]) != nil) _directories = [directories copy];
  return self;
}

/* Names of files, of which there is one each. */
+ (BOOL)validateName:(NSString *)name error:(NSError **)error {
  NSUInteger length = [name lengthOfBytesUsingEncoding:NSUTF8StringEncoding];
  BOOL isName = length > 0 && length < 256 && [name rangeOfString:@"/"].location == NSNotFound &&
                ![name isEqual:@"."] && ![name isEqual:@".."];
  if (isName) return YES;
  return invalid(error, @"The name of a shared directory must be the name of a file.");
}

- (void)dealloc {
  [_directories release];
  [super dealloc];
}
@end

@implementation VZDirectorySharingDeviceConfiguration
@end

@implementation VZVirtioFileSystemDeviceConfiguration
@synthesize tag = _tag;
@synthesize share = _share;

- (instancetype)initWithTag:(NSString *)tag {
  if ((self = [super init]) != nil) _tag = [tag copy];
  return self;
}

+ (BOOL)validateTag:(NSString *)tag error:(NSError **)error {
  NSUInteger length = [tag lengthOfBytesUsingEncoding:NSUTF8StringEncoding];
  if (length > 0 && length < 36) return YES;
  return invalid(error, @"The tag must be between 1 and 35 bytes of UTF-8.");
}

+ (NSString *)macOSGuestAutomountTag {
  return @"com.apple.virtio-fs.automount";
}

- (void)dealloc {
  [_tag release];
  [_share release];
  [super dealloc];
}
@end

@implementation VZSocketDeviceConfiguration
@end

@implementation VZVirtioSocketDeviceConfiguration
@end
