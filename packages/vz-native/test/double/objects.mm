#include <atomic>
#include <cstdio>
#include <cstdlib>

#import <Virtualization/Virtualization.h>

static std::atomic<long> live{0};

long VZDoubleLiveObjects(void) { return live; }

/* Tells a program that cannot call the double what it has left. */
__attribute__((destructor)) static void tellAtExit() {
  if (getenv("VZ_DOUBLE_COUNT_AT_EXIT") != nullptr) fprintf(stderr, "%ld objects of the framework\n", live.load());
}

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
