#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <thread>

#import <Virtualization/Virtualization.h>

#include <Block.h>

#include "machine_internals.h"
#include "unix_stream.h"
#include "vz_error.h"

@implementation VZSocketDevice
@end

@implementation VZVirtioSocketConnection
@synthesize destinationPort = _destinationPort;
@synthesize sourcePort = _sourcePort;
@synthesize fileDescriptor = _fileDescriptor;

- (instancetype)initWithDescriptor:(int)descriptor source:(uint32_t)source destination:(uint32_t)destination {
  if ((self = [super init]) != nil) {
    _fileDescriptor = descriptor;
    _sourcePort = source;
    _destinationPort = destination;
  }
  return self;
}

- (void)close {
  if (_fileDescriptor >= 0) close(_fileDescriptor);
  _fileDescriptor = -1;
}

- (void)dealloc {
  [self close];
  [super dealloc];
}
@end

@implementation VZVirtioSocketListener
@synthesize delegate = _delegate;
@end

/* A socket that takes the guest's calls to one port of the host, from its thread to the listener on the queue. */
@interface VZDoublePortListener : NSObject {
 @public
  int _descriptor;
  VZVirtioSocketListener *_listener;
}
@end

@implementation VZDoublePortListener
- (void)dealloc {
  [_listener release];
  [super dealloc];
}
@end

static int listenUnix(const std::string &path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(descriptor, (const sockaddr *)&address, sizeof address) == 0 && listen(descriptor, 128) == 0) {
    return descriptor;
  }
  close(descriptor);
  return -1;
}

static void onThread(std::function<void()> work) {
  std::thread([work] {
    GSRegisterCurrentThread();
    @autoreleasepool {
      work();
    }
    GSUnregisterCurrentThread();
  }).detach();
}

@implementation VZVirtioSocketDevice

- (instancetype)initWithMachine:(VZVirtualMachine *)machine {
  if ((self = [super init]) != nil) {
    _machine = machine;
    _listeners = [[NSMutableDictionary alloc] init];
  }
  return self;
}

- (void)dealloc {
  [_listeners release];
  [super dealloc];
}

/* On the queue: a call of the guest. */
- (void)call:(int)descriptor port:(NSNumber *)port {
  VZDoublePortListener *entry = [_listeners objectForKey:port];
  VZVirtioSocketConnection *connection =
      [[[VZVirtioSocketConnection alloc] initWithDescriptor:descriptor
                                                     source:0
                                                destination:[port unsignedIntValue]] autorelease];
  if (entry == nil) return;
  id<VZVirtioSocketListenerDelegate> delegate = [entry->_listener delegate];
  SEL question = @selector(listener:shouldAcceptNewConnection:fromSocketDevice:);
  if (![delegate respondsToSelector:question] || ![delegate listener:entry->_listener
                                                        shouldAcceptNewConnection:connection
                                                                 fromSocketDevice:self]) {
    [connection close];
  }
}

- (void)open:(VZDoublePortListener *)entry port:(NSNumber *)port {
  VZDoubleMachine *machine = [_machine double_];
  if (!machine->emulator || entry->_descriptor >= 0) return;
  std::string path = machine->emulator->vsockSocket() + "_" + std::to_string([port unsignedIntValue]);
  int listener = entry->_descriptor = listenUnix(path);
  dispatch_queue_t queue = machine->queue;
  if (listener < 0) return;
  dispatch_retain(queue);
  [self retain];
  onThread([self, listener, port, queue] {
    for (int call; (call = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0;) {
      dispatch_async(queue, ^{
        [self call:call port:port];
      });
    }
    close(listener);
    dispatch_async(queue, ^{
      [self release];
    });
    dispatch_release(queue);
  });
}

- (void)machineStarts {
  for (NSNumber *port in _listeners) [self open:[_listeners objectForKey:port] port:port];
}

/* Wakes the thread, which closes the descriptor. */
- (void)detach {
  for (NSNumber *port in _listeners) {
    VZDoublePortListener *entry = [_listeners objectForKey:port];
    if (entry->_descriptor >= 0) shutdown(entry->_descriptor, SHUT_RDWR);
  }
  [_listeners removeAllObjects];
  _machine = nil;
}

- (void)setSocketListener:(VZVirtioSocketListener *)listener forPort:(uint32_t)port {
  dispatch_assert_queue([_machine double_]->queue);
  [self removeSocketListenerForPort:port];
  VZDoublePortListener *entry = [[[VZDoublePortListener alloc] init] autorelease];
  entry->_descriptor = -1;
  entry->_listener = [listener retain];
  NSNumber *key = [[[NSNumber alloc] initWithUnsignedInt:port] autorelease];
  [_listeners setObject:entry forKey:key];
  [self open:entry port:key];
}

- (void)removeSocketListenerForPort:(uint32_t)port {
  VZDoubleMachine *machine = [_machine double_];
  NSNumber *key = [NSNumber numberWithUnsignedInt:port];
  VZDoublePortListener *entry = [_listeners objectForKey:key];
  if (entry == nil) return;
  if (entry->_descriptor >= 0) {
    unlink((machine->emulator->vsockSocket() + "_" + std::to_string(port)).c_str());
    shutdown(entry->_descriptor, SHUT_RDWR);
  }
  [_listeners removeObjectForKey:key];
}

/* The descriptor of an accepted call, or -1: the device closes the connection where nobody listens. */
static int callGuest(const std::string &path, uint32_t port) {
  int descriptor = connectUnix(path);
  std::string line;
  if (descriptor >= 0 && writeAll(descriptor, "CONNECT " + std::to_string(port) + "\n") &&
      readLine(descriptor, line) && line.compare(0, 3, "OK ") == 0) {
    return descriptor;
  }
  if (descriptor >= 0) close(descriptor);
  return -1;
}

- (void)connectToPort:(uint32_t)port
    completionHandler:(void (^)(VZVirtioSocketConnection *, NSError *))handler {
  VZDoubleMachine *machine = [_machine double_];
  dispatch_queue_t queue = machine->queue;
  auto answer = Block_copy(handler);
  bool running = machine->state == VZVirtualMachineStateRunning;
  std::string path = running ? machine->emulator->vsockSocket() : "";
  dispatch_retain(queue);
  onThread([path, port, queue, answer] {
    int descriptor = path.empty() ? -1 : callGuest(path, port);
    dispatch_async(queue, ^{
      if (descriptor >= 0) {
        answer([[[VZVirtioSocketConnection alloc] initWithDescriptor:descriptor source:0 destination:port] autorelease],
               nil);
      } else {
        answer(nil, [NSError errorWithDomain:NSPOSIXErrorDomain code:ECONNRESET userInfo:nil]);
      }
      Block_release(answer);
    });
    dispatch_release(queue);
  });
}

@end
