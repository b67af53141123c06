#include "ns_failure.h"

namespace vz {

static std::string text(NSString *string) { return string == nil ? "" : [string UTF8String]; }

/* The reason says more than the description, where there is one. */
static std::string messageOf(NSError *error) {
  std::string description = text([error localizedDescription]);
  NSString *reason = [[error userInfo] objectForKey:NSLocalizedFailureReasonErrorKey];
  if (reason == nil || description.find(text(reason)) != std::string::npos) return description;
  return description + " " + text(reason);
}

Failure failureOf(NSError *error) { return {text([error domain]), (long)[error code], messageOf(error)}; }

Outcome outcomeOf(NSError *error) {
  if (error == nil) return std::nullopt;
  return failureOf(error);
}

Outcome guarded(const std::function<Outcome()> &work) {
  @try {
    return work();
  } @catch (NSException *exception) {
    return Failure{"NSException", 0, text([exception name]) + ": " + text([exception reason])};
  }
}

}  // namespace vz
