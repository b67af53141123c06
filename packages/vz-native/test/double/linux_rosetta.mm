#import <Virtualization/Virtualization.h>

#include "machine_internals.h"
#include "vz_error.h"

/*
 * VZ_DOUBLE_ROSETTA names a folder. With a file called rosetta in it, Rosetta is installed; one called installer becomes
 * that by an installation. Without the variable, this is a Mac that has none.
 */
static NSString *inFolder(const char *name) {
  const char *folder = getenv("VZ_DOUBLE_ROSETTA");
  return folder == NULL ? nil : [NSString stringWithFormat:@"%s/%s", folder, name];
}

@implementation VZLinuxRosettaDirectoryShare

+ (VZLinuxRosettaAvailability)availability {
  NSString *program = inFolder("rosetta");
  if (program == nil) return VZLinuxRosettaAvailabilityNotSupported;
  BOOL isThere = [[NSFileManager defaultManager] fileExistsAtPath:program];
  return isThere ? VZLinuxRosettaAvailabilityInstalled : VZLinuxRosettaAvailabilityNotInstalled;
}

+ (void)installRosettaWithCompletionHandler:(void (^)(NSError *))handler {
  NSError *error = nil;
  if (inFolder("rosetta") == nil) {
    refuse(&error, VZErrorNotSupported, @"Rosetta is not supported on this Mac.");
  } else {
    NSFileManager *files = [NSFileManager defaultManager];
    if (![files moveItemAtPath:inFolder("installer") toPath:inFolder("rosetta") error:NULL]) {
      refuse(&error, VZErrorInternal, @"Rosetta could not be installed.");
    }
  }
  dispatch_queue_t queue = dispatch_queue_create("rosetta", DISPATCH_QUEUE_SERIAL);
  dispatch_async(queue, ^{
    handler(error);
  });
  dispatch_release(queue);
}

- (instancetype)initWithError:(NSError **)error {
  if ([VZLinuxRosettaDirectoryShare availability] == VZLinuxRosettaAvailabilityInstalled) return [super init];
  [self release];
  refuse(error, VZErrorNotSupported, @"Rosetta is not installed.");
  return nil;
}

/* What a guest sees of it. */
- (NSString *)folder {
  return [inFolder("rosetta") stringByDeletingLastPathComponent];
}

@end
