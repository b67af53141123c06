#include "support.h"

#import <Foundation/Foundation.h>
#import <Security/Security.h>
#import <Virtualization/Virtualization.h>

namespace vz {

bool isSupported() {
  @autoreleasepool {
    return [VZVirtualMachine isSupported];
  }
}

bool isEntitled() {
  @autoreleasepool {
    SecTaskRef task = SecTaskCreateFromSelf(kCFAllocatorDefault);
    if (task == nullptr) return false;
    CFTypeRef value = SecTaskCopyValueForEntitlement(task, CFSTR("com.apple.security.virtualization"), nullptr);
    bool entitled = value == (CFTypeRef)kCFBooleanTrue;
    if (value != nullptr) CFRelease(value);
    CFRelease(task);
    return entitled;
  }
}

Limits limits() {
  @autoreleasepool {
    return {
        .minCpus = [VZVirtualMachineConfiguration minimumAllowedCPUCount],
        .maxCpus = [VZVirtualMachineConfiguration maximumAllowedCPUCount],
        .minMemoryBytes = [VZVirtualMachineConfiguration minimumAllowedMemorySize],
        .maxMemoryBytes = [VZVirtualMachineConfiguration maximumAllowedMemorySize],
    };
  }
}

std::string randomMac() {
  @autoreleasepool {
    return [[[VZMACAddress randomLocallyAdministeredAddress] string] UTF8String];
  }
}

bool isMac(const std::string &text) {
  @autoreleasepool {
    NSString *string = [NSString stringWithUTF8String:text.c_str()];
    VZMACAddress *address = string == nil ? nil : [[[VZMACAddress alloc] initWithString:string] autorelease];
    return address != nil && [address isUnicastAddress];
  }
}

}  // namespace vz
