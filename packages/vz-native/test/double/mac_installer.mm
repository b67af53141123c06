#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>
#include <vector>

#import <Virtualization/Virtualization.h>

#include "machine_internals.h"
#include "vz_error.h"

enum { STEPS = 20 };

static NSString *const CANCELLED = @"The installation was cancelled.";

/* Writes the image's disk onto the machine's first one, step by step. */
static NSError *installStep(int from, int to, off_t size, int step) {
  off_t start = size / STEPS * step;
  off_t end = step == STEPS - 1 ? size : size / STEPS * (step + 1);
  std::vector<char> piece(1 << 20);
  for (off_t at = start; at < end;) {
    size_t wanted = (size_t)(end - at) < piece.size() ? (size_t)(end - at) : piece.size();
    ssize_t got = pread(from, piece.data(), wanted, at);
    if (got <= 0 || pwrite(to, piece.data(), (size_t)got, at) != got) {
      return vzError(VZErrorInstallationFailed, @"The disk image cannot be written.");
    }
    at += got;
  }
  return nil;
}

@implementation VZMacOSInstaller
@synthesize virtualMachine = _virtualMachine;
@synthesize restoreImageURL = _restoreImageURL;
@synthesize progress = _progress;

- (instancetype)initWithVirtualMachine:(VZVirtualMachine *)machine restoreImageURL:(NSURL *)url {
  if ((self = [super init]) != nil) {
    [machine double_]; /* on its queue, or never */
    _virtualMachine = [machine retain];
    _restoreImageURL = [url copy];
    _progress = [[NSProgress alloc] initWithParent:nil userInfo:nil];
    [_progress setTotalUnitCount:STEPS];
    /* GNUstep's calls it without looking whether there is one. */
    [_progress setCancellationHandler:^{
    }];
  }
  return self;
}

- (void)advanceTo:(int)step {
  [_progress willChangeValueForKey:@"fractionCompleted"];
  [_progress setCompletedUnitCount:step];
  [_progress didChangeValueForKey:@"fractionCompleted"];
}

- (void)installWithCompletionHandler:(void (^)(NSError *))handler {
  VZDoubleMachine *machine = [_virtualMachine double_];
  dispatch_queue_t queue = machine->queue;
  NSError *error = nil;
  NSData *data = [NSData dataWithContentsOfFile:[_restoreImageURL path]];
  NSDictionary *facts = data == nil ? nil : [NSJSONSerialization JSONObjectWithData:data options:0 error:NULL];
  NSString *source = [facts isKindOfClass:[NSDictionary class]] ? [facts objectForKey:@"disk"] : nil;
  VZStorageDeviceConfiguration *first = [[machine->configuration storageDevices] firstObject];
  NSURL *target = [(VZDiskImageStorageDeviceAttachment *)[first attachment] URL];
  struct stat info = {};
  int from = source == nil ? -1 : open([source UTF8String], O_RDONLY | O_CLOEXEC);
  int to = target == nil ? -1 : open([[target path] UTF8String], O_WRONLY | O_CLOEXEC);
  if (![machine->configuration isForMac] || machine->state != VZVirtualMachineStateStopped) {
    refuse(&error, VZErrorInvalidVirtualMachineState, @"The machine is not one to install macOS on.");
  } else if (from < 0 || fstat(from, &info) != 0) {
    refuse(&error, VZErrorInvalidRestoreImage, @"The restore image is invalid.");
  } else if (to < 0) {
    refuse(&error, VZErrorInstallationFailed, @"There is no disk to install macOS on.");
  }
  auto finish = ^(NSError *how) {
    if (from >= 0) close(from);
    if (to >= 0) close(to);
    if (how != nil || machine->installing) machine->state = VZVirtualMachineStateStopped;
    machine->installing = false;
    handler(how);
  };
  if (error != nil) {
    dispatch_async(queue, ^{
      finish(error);
    });
    return;
  }
  machine->state = VZVirtualMachineStateRunning;
  machine->installing = true;
  [self step:0 from:from to:to size:info.st_size then:finish];
}

- (void)step:(int)step from:(int)from to:(int)to size:(off_t)size then:(void (^)(NSError *))finish {
  VZDoubleMachine *machine = [_virtualMachine double_];
  NSError *how = nil;
  if ([_progress isCancelled]) {
    how = vzError(VZErrorOperationCancelled, CANCELLED);
  } else if (!machine->installing) {
    how = vzError(VZErrorInstallationFailed, @"The machine was stopped.");
  } else if (step < STEPS) {
    how = installStep(from, to, size, step);
  }
  BOOL isLast = how != nil || step == STEPS;
  if (how == nil) [self advanceTo:step];
  dispatch_async(machine->queue, ^{
    if (isLast) {
      finish(how);
    } else {
      usleep(20'000);
      [self step:step + 1 from:from to:to size:size then:finish];
    }
  });
}

- (void)dealloc {
  [_virtualMachine release];
  [_restoreImageURL release];
  [_progress release];
  [super dealloc];
}
@end
