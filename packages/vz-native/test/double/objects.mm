#include <atomic>

#import <Virtualization/Virtualization.h>

static std::atomic<long> live{0};

long VZDoubleLiveObjects(void) { return live; }

@implementation VZDoubleObject

+ (id)allocWithZone:(NSZone *)zone {
  live++;
  return [super allocWithZone:zone];
}

- (void)dealloc {
  live--;
  [super dealloc];
}

@end
