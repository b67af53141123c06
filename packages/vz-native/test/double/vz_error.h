#import <Virtualization/Virtualization.h>

/* An error of the framework's own domain. */
static inline NSError *vzError(VZErrorCode code, NSString *message) {
  return [NSError errorWithDomain:VZErrorDomain
                             code:code
                         userInfo:[NSDictionary dictionaryWithObject:message forKey:NSLocalizedDescriptionKey]];
}

/* Sets the error, where the caller wants it, and returns NO, so that a check can end with it. */
static inline BOOL refuse(NSError **error, VZErrorCode code, NSString *message) {
  if (error != NULL) *error = vzError(code, message);
  return NO;
}

static inline BOOL invalid(NSError **error, NSString *why) {
  return refuse(error, VZErrorInvalidVirtualMachineConfiguration,
                [NSString stringWithFormat:@"Invalid virtual machine configuration. %@", why]);
}
