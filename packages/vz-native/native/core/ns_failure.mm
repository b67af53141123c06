#include "ns_failure.h"

#include "ns_text.h"

namespace vz {

/* The reason says more than the description, where there is one. */
static std::string messageOf(NSError *error) {
  std::string description = text([error localizedDescription]);
  NSString *reason = [[error userInfo] objectForKey:NSLocalizedFailureReasonErrorKey];
  if (reason == nil || description.find(text(reason)) != std::string::npos) return description;
  return description + " " + text(reason);
}

Failure failureOf(NSError *error) { return {text([error domain]), (long)[error code], messageOf(error)}; }

Failure failureAbout(const std::string &subject, NSError *error) {
  Failure failure = failureOf(error);
  failure.message = subject + ": " + failure.message;
  return failure;
}

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
