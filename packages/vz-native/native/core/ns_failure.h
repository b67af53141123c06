/* How Objective-C tells of failures, as ours. */
#pragma once
#import <Foundation/Foundation.h>

#include "outcome.h"

namespace vz {

Failure failureOf(NSError *error);
/* The same, with what the error does not name. */
Failure failureAbout(const std::string &subject, NSError *error);
Outcome outcomeOf(NSError *errorOrNil);
/* Does something, and makes an exception a failure. */
Outcome guarded(const std::function<Outcome()> &work);

}  // namespace vz
