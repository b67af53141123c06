#import <Virtualization/Virtualization.h>

#include <Block.h>
#include <unistd.h>

#include "mac_place.h"
#include "machine_internals.h"
#include "vz_error.h"

NSString *const VZErrorDomain = @"VZErrorDomain";

static NSString *nameOf(VZVirtualMachineState state) {
  static NSString *const names[] = {@"stopped", @"running",  @"paused",   @"error",  @"starting",
                                    @"pausing", @"resuming", @"stopping", @"saving", @"restoring"};
  return names[state];
}

static void leaveMacSlot(VZDoubleMachine *machine) {
  if (machine->macSlot >= 0) close(machine->macSlot);
  machine->macSlot = -1;
}

@implementation VZVirtualMachine
@synthesize delegate = _delegate;

+ (BOOL)isSupported {
  return getenv("VZ_DOUBLE_UNSUPPORTED") == NULL;
}

- (instancetype)initWithConfiguration:(VZVirtualMachineConfiguration *)configuration queue:(dispatch_queue_t)queue {
  dispatch_assert_queue(queue);
  if ((self = [super init]) == nil) return nil;
  NSError *error = nil;
  if (![configuration validateWithError:&error]) {
    [self release];
    [NSException raise:NSInvalidArgumentException format:@"%@", [error localizedDescription]];
  }
  dispatch_retain(queue);
  _queue = queue;
  _double = new VZDoubleMachine{.owner = self, .queue = queue, .configuration = [configuration retain]};
  if ([[configuration socketDevices] count] > 0) {
    _double->socketDevice = [[VZVirtioSocketDevice alloc] initWithMachine:self];
  }
  if ([[configuration memoryBalloonDevices] count] > 0) {
    _double->balloon = [[VZVirtioTraditionalMemoryBalloonDevice alloc] initWithMachine:self
                                                                                 memory:[configuration memorySize]];
  }
  return self;
}

- (void)dealloc {
  if (_double != NULL) {
    dispatch_assert_queue(_queue);
    if (_double->emulator) _double->emulator->kill();
    [(VZVirtioSocketDevice *)_double->socketDevice detach];
    [_double->socketDevice release];
    [(VZVirtioTraditionalMemoryBalloonDevice *)_double->balloon detach];
    [_double->balloon release];
    [_double->configuration release];
    _double->owner = nil;
    _double->socketDevice = nil;
    _double->balloon = nil;
    _double->configuration = nil;
    /* An emulator that runs still refers to it, and frees it when it has ended. */
    if (!_double->emulator) delete _double;
    dispatch_release(_queue);
  }
  [super dealloc];
}

- (struct VZDoubleMachine *)double_ {
  dispatch_assert_queue(_queue);
  return _double;
}

- (VZVirtualMachineState)state {
  return [self double_]->state;
}

- (BOOL)canRequestStop {
  return [self state] == VZVirtualMachineStateRunning;
}

- (NSArray<VZSocketDevice *> *)socketDevices {
  VZSocketDevice *device = [self double_]->socketDevice;
  return device == nil ? @[] : @[ device ];
}

- (NSArray<VZMemoryBalloonDevice *> *)memoryBalloonDevices {
  VZMemoryBalloonDevice *device = [self double_]->balloon;
  return device == nil ? @[] : @[ device ];
}

/* Goes into a state, or tells the handler, later as always, that this one does not allow it. */
- (BOOL)enter:(VZVirtualMachineState)next handler:(void (^)(NSError *))handler {
  VZVirtualMachineState state = [self state];
  BOOL allowed = NO;
  if (next == VZVirtualMachineStateStarting) {
    allowed = state == VZVirtualMachineStateStopped || state == VZVirtualMachineStateError;
  } else if (next == VZVirtualMachineStatePausing) {
    allowed = state == VZVirtualMachineStateRunning;
  } else if (next == VZVirtualMachineStateResuming || next == VZVirtualMachineStateSaving) {
    allowed = state == VZVirtualMachineStatePaused;
  } else if (next == VZVirtualMachineStateStopping) {
    allowed = state == VZVirtualMachineStateRunning || state == VZVirtualMachineStatePaused ||
              state == VZVirtualMachineStateStarting;
  }
  if (allowed) {
    _double->state = next;
    return YES;
  }
  NSString *message = [NSString
      stringWithFormat:@"Invalid virtual machine state transition. Transition from state “%@” to state “%@” is invalid.",
                       nameOf(state), nameOf(next)];
  NSError *error = vzError(VZErrorInvalidVirtualMachineStateTransition, message);
  dispatch_async(_queue, ^{
    handler(error);
  });
  return NO;
}

/* On the queue: QEMU runs. */
static void started(VZDoubleMachine *machine) {
  if (machine->owner == nil || machine->state != VZVirtualMachineStateStarting) return;
  machine->state = VZVirtualMachineStateRunning;
  if ([machine->configuration isForMac]) {
    for (VZNetworkDeviceConfiguration *device in [machine->configuration networkDevices]) {
      noteLease([[device MACAddress] string]);
    }
  }
  auto handler = machine->startHandler;
  machine->startHandler = nil;
  handler(nil);
  Block_release(handler);
}

/* On the queue: QEMU is gone, or never came. */
static void ended(VZDoubleMachine *machine, const Emulator::End &end) {
  leaveMacSlot(machine);
  machine->emulator.reset();
  auto start = machine->startHandler;
  auto stop = machine->stopHandler;
  VZVirtualMachine *owner = machine->owner;
  machine->startHandler = nil;
  machine->stopHandler = nil;
  NSString *message = [NSString stringWithUTF8String:end.message.c_str()];
  NSError *failure = vzError(VZErrorInternal, [@"Internal Virtualization error. " stringByAppendingString:message]);
  if (owner == nil) {
    delete machine;
  } else {
    bool quiet = stop != nil || end.orderly;
    machine->state = quiet ? VZVirtualMachineStateStopped : VZVirtualMachineStateError;
    if (start == nil && stop == nil) {
      id<VZVirtualMachineDelegate> delegate = [owner delegate];
      if (end.orderly && [delegate respondsToSelector:@selector(guestDidStopVirtualMachine:)]) {
        [delegate guestDidStopVirtualMachine:owner];
      } else if (!end.orderly && [delegate respondsToSelector:@selector(virtualMachine:didStopWithError:)]) {
        [delegate virtualMachine:owner didStopWithError:failure];
      }
    }
  }
  if (start != nil) {
    start(failure);
    Block_release(start);
  }
  if (stop != nil) {
    stop(nil);
    Block_release(stop);
  }
}

/* Nothing runs, and the handler is told so, later as always. */
- (void)stayStopped:(NSError *)error handler:(void (^)(NSError *))handler {
  _double->state = VZVirtualMachineStateStopped;
  dispatch_async(_queue, ^{
    handler(error);
  });
}

- (void)startWithCompletionHandler:(void (^)(NSError *))handler {
  if (![self enter:VZVirtualMachineStateStarting handler:handler]) return;
  VZDoubleMachine *machine = _double;
  if ([machine->configuration isForMac]) {
    if (macFile(@"kernel") == nil) {
      return [self stayStopped:vzError(VZErrorInternal, @"Nothing stands for macOS here.") handler:handler];
    }
    machine->macSlot = takeMacSlot();
    if (machine->macSlot < 0) {
      NSString *message = @"The maximum supported number of active virtual machines has been reached.";
      return [self stayStopped:vzError(VZErrorVirtualMachineLimitExceeded, message) handler:handler];
    }
  }
  dispatch_queue_t queue = _queue;
  machine->startHandler = Block_copy(handler);
  /* For the emulator's thread, which may outlive the machine. */
  dispatch_retain(queue);
  machine->emulator = Emulator::start(
      machine->configuration,
      [machine, queue] {
        dispatch_async(queue, ^{
          started(machine);
        });
      },
      [machine, queue](Emulator::End end) {
        dispatch_async(queue, ^{
          ended(machine, end);
        });
        dispatch_release(queue);
      });
  [(VZVirtioSocketDevice *)machine->socketDevice machineStarts];
}

- (void)stopWithCompletionHandler:(void (^)(NSError *))handler {
  if (![self enter:VZVirtualMachineStateStopping handler:handler]) return;
  if (!_double->emulator) {
    _double->installing = false;
    return [self stayStopped:nil handler:handler];
  }
  _double->stopHandler = Block_copy(handler);
  _double->emulator->kill();
}

- (void)suspend:(BOOL)on then:(VZVirtualMachineState)state handler:(void (^)(NSError *))handler {
  BOOL done = _double->emulator->suspend(on);
  if (done) _double->state = state;
  NSError *error = done ? nil : vzError(VZErrorInternal, @"QEMU cannot be stopped or continued.");
  dispatch_async(_queue, ^{
    handler(error);
  });
}

- (void)pauseWithCompletionHandler:(void (^)(NSError *))handler {
  if (![self enter:VZVirtualMachineStatePausing handler:handler]) return;
  [self suspend:YES then:VZVirtualMachineStatePaused handler:handler];
}

- (void)resumeWithCompletionHandler:(void (^)(NSError *))handler {
  if (![self enter:VZVirtualMachineStateResuming handler:handler]) return;
  [self suspend:NO then:VZVirtualMachineStateRunning handler:handler];
}

- (void)saveMachineStateToURL:(NSURL *)url completionHandler:(void (^)(NSError *))handler {
  if (![self enter:VZVirtualMachineStateSaving handler:handler]) return;
  _double->state = VZVirtualMachineStatePaused;
  dispatch_async(_queue, ^{
    handler(vzError(VZErrorSave, @"The double over QEMU cannot save machines."));
  });
}

- (void)restoreMachineStateFromURL:(NSURL *)url completionHandler:(void (^)(NSError *))handler {
  dispatch_assert_queue(_queue);
  dispatch_async(_queue, ^{
    handler(vzError(VZErrorRestore, @"The double over QEMU cannot restore machines."));
  });
}

- (BOOL)requestStopWithError:(NSError **)error {
  if (![self canRequestStop]) {
    return refuse(error, VZErrorInvalidVirtualMachineState,
                  @"Invalid virtual machine state. The virtual machine is not running.");
  }
  if (_double->emulator->command("{\"execute\":\"system_powerdown\"}")) return YES;
  return refuse(error, VZErrorInternal, @"QEMU cannot be asked to stop.");
}

@end

@implementation VZMemoryBalloonDevice
@end

@implementation VZVirtioTraditionalMemoryBalloonDevice

- (instancetype)initWithMachine:(VZVirtualMachine *)machine memory:(uint64_t)bytes {
  if ((self = [super init]) != nil) {
    _machine = machine;
    _targetVirtualMachineMemorySize = bytes;
  }
  return self;
}

- (void)detach {
  _machine = nil;
}

- (uint64_t)targetVirtualMachineMemorySize {
  return _targetVirtualMachineMemorySize;
}

/* Bounded and rounded down silently, as the framework does. */
- (void)setTargetVirtualMachineMemorySize:(uint64_t)bytes {
  VZDoubleMachine *machine = [_machine double_];
  if (machine == NULL) return;
  uint64_t most = [machine->configuration memorySize];
  _targetVirtualMachineMemorySize = (bytes < most ? bytes : most) / (1024 * 1024) * (1024 * 1024);
  if (machine->state != VZVirtualMachineStateRunning) return;
  machine->emulator->command("{\"execute\":\"balloon\",\"arguments\":{\"value\":" +
                             std::to_string(_targetVirtualMachineMemorySize) + "}}");
}

@end
