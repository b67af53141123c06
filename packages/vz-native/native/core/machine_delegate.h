/* Objective-C objects that hand on what the framework tells its delegates. */
#pragma once
#import <Virtualization/Virtualization.h>

#include <functional>

#include "outcome.h"

@interface ZLMachineDelegate : NSObject <VZVirtualMachineDelegate> {
 @public
  std::function<void(vz::Outcome)> ended;
}
@end

@interface ZLListenerDelegate : NSObject <VZVirtioSocketListenerDelegate> {
 @public
  /* Takes a copy of the connection's descriptor; the framework closes its own. */
  std::function<void(uint32_t, int)> called;
}
@end
