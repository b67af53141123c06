#include "machine_delegate.h"

#include <fcntl.h>

#include "ns_failure.h"

@implementation ZLMachineDelegate

- (void)guestDidStopVirtualMachine:(VZVirtualMachine *)machine {
  (void)machine;
  ended(std::nullopt);
}

- (void)virtualMachine:(VZVirtualMachine *)machine didStopWithError:(NSError *)error {
  (void)machine;
  ended(vz::failureOf(error));
}

@end

@implementation ZLListenerDelegate

- (BOOL)listener:(VZVirtioSocketListener *)listener
    shouldAcceptNewConnection:(VZVirtioSocketConnection *)connection
             fromSocketDevice:(VZVirtioSocketDevice *)device {
  (void)listener;
  (void)device;
  int descriptor = fcntl([connection fileDescriptor], F_DUPFD_CLOEXEC, 0);
  if (descriptor < 0) return NO;
  called([connection destinationPort], descriptor);
  return YES;
}

@end
