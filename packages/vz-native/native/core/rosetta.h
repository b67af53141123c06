/* Rosetta, with which Linux guests of Apple silicon run programs for x86-64. */
#pragma once
#include "outcome.h"

namespace vz {

enum class Rosetta { notSupported, notInstalled, installed };

const char *nameOf(Rosetta rosetta);
/* Whether guests can have it. */
Rosetta rosetta();
/* Downloads and installs it; macOS asks the user. `done` may be called on any thread. */
void installRosetta(Done done);

}  // namespace vz
