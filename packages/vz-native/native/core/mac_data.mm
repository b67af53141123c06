#include "mac_data.h"

#include "ns_text.h"

namespace vz {

static NSData *dataOf(const std::string &base64) {
  return [[[NSData alloc] initWithBase64EncodedString:string(base64) options:0] autorelease];
}

VZMacHardwareModel *hardwareModelOf(const std::string &base64) {
  NSData *data = dataOf(base64);
  return data == nil ? nil : [[[VZMacHardwareModel alloc] initWithDataRepresentation:data] autorelease];
}

VZMacMachineIdentifier *machineIdentifierOf(const std::string &base64) {
  NSData *data = dataOf(base64);
  return data == nil ? nil : [[[VZMacMachineIdentifier alloc] initWithDataRepresentation:data] autorelease];
}

std::string base64Of(NSData *data) { return text([data base64EncodedStringWithOptions:0]); }

Failure notReadable(const std::string &what) {
  return {"VZErrorDomain", VZErrorInvalidVirtualMachineConfiguration, what + " is not in the form that the framework makes"};
}

}  // namespace vz
