#import <Virtualization/Virtualization.h>

#include "mac_place.h"
#include "machine_internals.h"
#include "vz_error.h"

/* An .ipsw is JSON here: `build`, `version`, `hardwareModel`, `minCpus`, `minMemoryBytes`, and the path of a `disk`. */
static NSDictionary *factsIn(NSURL *url, NSError **error) {
  NSData *data = [NSData dataWithContentsOfFile:[url path]];
  if (data == nil) {
    refuse(error, VZErrorRestoreImageLoadFailed, @"The restore image failed to load.");
    return nil;
  }
  id facts = [NSJSONSerialization JSONObjectWithData:data options:0 error:NULL];
  if ([facts isKindOfClass:[NSDictionary class]] && [facts objectForKey:@"build"] != nil) return facts;
  refuse(error, VZErrorInvalidRestoreImage, @"The restore image is invalid.");
  return nil;
}

@implementation VZMacOSConfigurationRequirements
@synthesize hardwareModel = _hardwareModel;
@synthesize minimumSupportedCPUCount = _minimumSupportedCPUCount;
@synthesize minimumSupportedMemorySize = _minimumSupportedMemorySize;

- (instancetype)initWithFacts:(NSDictionary *)facts {
  if ((self = [super init]) != nil) {
    _hardwareModel = [[VZMacHardwareModel modelWithNumber:[[facts objectForKey:@"hardwareModel"] intValue]] retain];
    _minimumSupportedCPUCount = (NSUInteger)[[facts objectForKey:@"minCpus"] integerValue];
    _minimumSupportedMemorySize = (uint64_t)[[facts objectForKey:@"minMemoryBytes"] longLongValue];
  }
  return self;
}

- (void)dealloc {
  [_hardwareModel release];
  [super dealloc];
}
@end

@implementation VZMacOSRestoreImage
@synthesize URL = _URL;

- (instancetype)initWithURL:(NSURL *)url facts:(NSDictionary *)facts {
  if ((self = [super init]) != nil) {
    _URL = [url copy];
    _facts = [facts retain];
  }
  return self;
}

+ (void)answer:(void (^)(VZMacOSRestoreImage *, NSError *))handler image:(NSURL *)url error:(NSError *)error {
  NSDictionary *facts = error == nil ? factsIn(url, &error) : nil;
  VZMacOSRestoreImage *image =
      facts == nil ? nil : [[[VZMacOSRestoreImage alloc] initWithURL:url facts:facts] autorelease];
  dispatch_queue_t queue = dispatch_queue_create("restore-image", DISPATCH_QUEUE_SERIAL);
  dispatch_async(queue, ^{
    handler(image, error);
  });
  dispatch_release(queue);
}

+ (void)loadFileURL:(NSURL *)url completionHandler:(void (^)(VZMacOSRestoreImage *, NSError *))handler {
  [self answer:handler image:url error:nil];
}

+ (void)fetchLatestSupportedWithCompletionHandler:(void (^)(VZMacOSRestoreImage *, NSError *))handler {
  NSString *path = macFile(@"latest.ipsw");
  NSError *error = path != nil ? nil : vzError(VZErrorRestoreImageCatalogLoadFailed, @"The catalog failed to load.");
  [self answer:handler image:path == nil ? nil : [NSURL fileURLWithPath:path] error:error];
}

- (NSString *)buildVersion {
  return [_facts objectForKey:@"build"];
}

- (NSOperatingSystemVersion)operatingSystemVersion {
  NSOperatingSystemVersion version = {};
  sscanf([[_facts objectForKey:@"version"] UTF8String], "%td.%td.%td", &version.majorVersion, &version.minorVersion,
         &version.patchVersion);
  return version;
}

- (VZMacOSConfigurationRequirements *)mostFeaturefulSupportedConfiguration {
  if (![self isSupported]) return nil;
  return [[[VZMacOSConfigurationRequirements alloc] initWithFacts:_facts] autorelease];
}

- (BOOL)isSupported {
  return [[VZMacHardwareModel modelWithNumber:[[_facts objectForKey:@"hardwareModel"] intValue]] isSupported];
}

- (void)dealloc {
  [_URL release];
  [_facts release];
  [super dealloc];
}
@end
