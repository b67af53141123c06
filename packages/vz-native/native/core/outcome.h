/* Why the framework refused something: its own error, or an Objective-C exception that must not get further. */
#pragma once
#include <functional>
#include <optional>
#include <string>

namespace vz {

struct Failure {
  std::string domain; /* such as VZErrorDomain; NSException for an exception */
  long code;
  std::string message;
};

/* How an operation ended: no failure is success. */
using Outcome = std::optional<Failure>;
using Done = std::function<void(Outcome)>;

}  // namespace vz
