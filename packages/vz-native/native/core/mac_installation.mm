#include "mac_installation.h"

#include "ns_failure.h"
#include "ns_text.h"

static NSString *const FRACTION = @"fractionCompleted";

@interface ZLMacInstallation : NSObject {
 @public
  VZMacOSInstaller *installer;
  std::function<void(double)> progress;
  vz::Done done;
}
@end

@implementation ZLMacInstallation

- (void)begin {
  [[installer progress] addObserver:self forKeyPath:FRACTION options:NSKeyValueObservingOptionInitial context:NULL];
  @try {
    /* The block keeps this object until the framework has called it. */
    [installer installWithCompletionHandler:^(NSError *error) {
      [self endWith:error];
    }];
  } @catch (NSException *exception) {
    [[installer progress] removeObserver:self forKeyPath:FRACTION];
    @throw;
  }
}

- (void)endWith:(NSError *)error {
  [[installer progress] removeObserver:self forKeyPath:FRACTION];
  vz::Done finish = std::move(done);
  finish(vz::outcomeOf(error));
}

- (void)observeValueForKeyPath:(NSString *)path ofObject:(id)object change:(NSDictionary *)change context:(void *)context {
  (void)path;
  (void)change;
  (void)context;
  progress([(NSProgress *)object fractionCompleted]);
}

- (void)dealloc {
  [installer release];
  [super dealloc];
}

@end

namespace vz {

NSObject *beginInstallation(VZVirtualMachine *machine, const std::string &restoreImage,
                            std::function<void(double)> progress, Done done, Outcome &outcome) {
  ZLMacInstallation *installation = [[ZLMacInstallation alloc] init];
  outcome = guarded([&]() -> Outcome {
    installation->installer = [[VZMacOSInstaller alloc] initWithVirtualMachine:machine
                                                               restoreImageURL:file(restoreImage)];
    installation->progress = std::move(progress);
    installation->done = std::move(done);
    [installation begin];
    return std::nullopt;
  });
  if (!outcome) return installation;
  [installation release];
  return nil;
}

void cancelInstallation(NSObject *installation) {
  [[static_cast<ZLMacInstallation *>(installation)->installer progress] cancel];
}

}  // namespace vz
