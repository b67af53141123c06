/* What the double's classes tell each other, and nobody else. */
#pragma once
#include <memory>

#import <Virtualization/Virtualization.h>

#include "emulator.h"

struct VZDoubleMachine {
  VZVirtualMachine *owner; /* nil when it is gone; to be used on the queue alone */
  dispatch_queue_t queue;
  VZVirtualMachineState state = VZVirtualMachineStateStopped;
  VZVirtualMachineConfiguration *configuration;
  std::shared_ptr<Emulator> emulator;
  VZSocketDevice *socketDevice;
  VZMemoryBalloonDevice *balloon;
  void (^startHandler)(NSError *) = nil;
  void (^stopHandler)(NSError *) = nil;
  /* Held while a guest runs macOS, of which a host runs two. */
  int macSlot = -1;
  bool installing = false;
};

@interface VZVirtualMachineConfiguration (Double)
- (BOOL)isForMac;
@end

@interface VZMacHardwareModel (Double)
+ (instancetype)modelWithNumber:(int)number;
- (int)number;
@end

@interface VZMacAuxiliaryStorage (Double)
- (BOOL)fits:(VZMacHardwareModel *)model;
@end

@interface VZMacOSConfigurationRequirements (Double)
- (instancetype)initWithFacts:(NSDictionary *)facts;
@end

@interface VZLinuxRosettaDirectoryShare (Double)
- (NSString *)folder;
@end

@interface VZVirtualMachine (Double)
- (struct VZDoubleMachine *)double_;
@end

@interface VZVirtioTraditionalMemoryBalloonDevice (Double)
- (instancetype)initWithMachine:(VZVirtualMachine *)machine memory:(uint64_t)bytes;
- (void)detach;
@end

@interface VZVirtioSocketConnection (Double)
- (instancetype)initWithDescriptor:(int)descriptor source:(uint32_t)source destination:(uint32_t)destination;
@end

@interface VZVirtioSocketDevice (Double)
- (instancetype)initWithMachine:(VZVirtualMachine *)machine;
/* Makes the sockets that guests' calls arrive at, as soon as the machine has a place for them. */
- (void)machineStarts;
- (void)detach;
@end
