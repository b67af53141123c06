#include <random>

#import <Virtualization/Virtualization.h>

#include "machine_internals.h"
#include "vz_error.h"

/* The newest that this Mac has. */
enum { NEWEST_MODEL = 2 };

/* What is kept in files is text here: a name and a number. */
static NSData *dataOf(const char *name, uint64_t number) {
  return [[NSString stringWithFormat:@"%s:%llu", name, (unsigned long long)number] dataUsingEncoding:NSUTF8StringEncoding];
}

static BOOL read(NSData *data, const char *name, uint64_t *number) {
  NSString *text = [[[NSString alloc] initWithData:data encoding:NSUTF8StringEncoding] autorelease];
  NSString *prefix = [NSString stringWithFormat:@"%s:", name];
  if (![text hasPrefix:prefix]) return NO;
  *number = strtoull([[text substringFromIndex:[prefix length]] UTF8String], NULL, 10);
  return [data isEqual:dataOf(name, *number)];
}

@implementation VZMacHardwareModel
@synthesize dataRepresentation = _dataRepresentation;

- (instancetype)initWithDataRepresentation:(NSData *)data {
  if ((self = [super init]) == nil) return nil;
  uint64_t number;
  if (!read(data, "hardware-model", &number)) {
    [self release];
    return nil;
  }
  _dataRepresentation = [data copy];
  return self;
}

+ (instancetype)modelWithNumber:(int)number {
  NSData *data = dataOf("hardware-model", (uint64_t)number);
  return [[[VZMacHardwareModel alloc] initWithDataRepresentation:data] autorelease];
}

- (id)copyWithZone:(NSZone *)zone {
  return [self retain];
}

- (int)number {
  uint64_t number = 0;
  read(_dataRepresentation, "hardware-model", &number);
  return (int)number;
}

- (BOOL)isSupported {
  return [self number] <= NEWEST_MODEL;
}

- (void)dealloc {
  [_dataRepresentation release];
  [super dealloc];
}
@end

@implementation VZMacMachineIdentifier
@synthesize dataRepresentation = _dataRepresentation;

- (instancetype)init {
  std::random_device random;
  uint64_t number = ((uint64_t)random() << 32 | random()) >> 1;
  return [self initWithDataRepresentation:dataOf("machine-identifier", number)];
}

- (instancetype)initWithDataRepresentation:(NSData *)data {
  if ((self = [super init]) == nil) return nil;
  uint64_t number;
  if (!read(data, "machine-identifier", &number)) {
    [self release];
    return nil;
  }
  _dataRepresentation = [data copy];
  return self;
}

- (id)copyWithZone:(NSZone *)zone {
  return [self retain];
}

- (void)dealloc {
  [_dataRepresentation release];
  [super dealloc];
}
@end

@implementation VZMacAuxiliaryStorage
@synthesize URL = _URL;

- (instancetype)initWithURL:(NSURL *)url {
  if ((self = [super init]) != nil) _URL = [url copy];
  return self;
}

- (instancetype)initCreatingStorageAtURL:(NSURL *)url
                           hardwareModel:(VZMacHardwareModel *)model
                                 options:(VZMacAuxiliaryStorageInitializationOptions)options
                                   error:(NSError **)error {
  if ((self = [self initWithURL:url]) == nil) return nil;
  BOOL isThere = [[NSFileManager defaultManager] fileExistsAtPath:[url path]];
  /* The one option there is allows to overwrite it. */
  if (isThere && options == 0) {
    refuse(error, VZErrorInternal, @"The file already exists.");
  } else if (![model isSupported]) {
    refuse(error, VZErrorNotSupported, @"The hardware model is not supported on this host.");
  } else if (![dataOf("auxiliary-storage", (uint64_t)[model number]) writeToFile:[url path] atomically:NO]) {
    refuse(error, VZErrorInternal, @"The file cannot be written.");
  } else {
    return self;
  }
  [self release];
  return nil;
}

- (BOOL)fits:(VZMacHardwareModel *)model {
  NSData *content = [NSData dataWithContentsOfFile:[_URL path]];
  return [content isEqual:dataOf("auxiliary-storage", (uint64_t)[model number])];
}

- (void)dealloc {
  [_URL release];
  [super dealloc];
}
@end

@implementation VZMacPlatformConfiguration
@synthesize hardwareModel = _hardwareModel;
@synthesize machineIdentifier = _machineIdentifier;
@synthesize auxiliaryStorage = _auxiliaryStorage;

- (id)init {
  if ((self = [super init]) != nil) _machineIdentifier = [[VZMacMachineIdentifier alloc] init];
  return self;
}

- (void)dealloc {
  [_hardwareModel release];
  [_machineIdentifier release];
  [_auxiliaryStorage release];
  [super dealloc];
}
@end

@implementation VZMacOSBootLoader
- (instancetype)init {
  return [super init];
}
@end

@implementation VZGraphicsDisplayConfiguration
@end

@implementation VZMacGraphicsDisplayConfiguration
@synthesize widthInPixels = _widthInPixels;
@synthesize heightInPixels = _heightInPixels;
@synthesize pixelsPerInch = _pixelsPerInch;

- (instancetype)initWithWidthInPixels:(NSInteger)width heightInPixels:(NSInteger)height pixelsPerInch:(NSInteger)density {
  if ((self = [super init]) != nil) {
    _widthInPixels = width;
    _heightInPixels = height;
    _pixelsPerInch = density;
  }
  return self;
}
@end

@implementation VZGraphicsDeviceConfiguration
@end

@implementation VZMacGraphicsDeviceConfiguration
@synthesize displays = _displays;

- (instancetype)init {
  if ((self = [super init]) != nil) _displays = [@[] retain];
  return self;
}

- (void)dealloc {
  [_displays release];
  [super dealloc];
}
@end
