/* The parts of @zlayer/host's program that every host program is made of. They are C. */
#pragma once
extern "C" {
#include "clock.h"
#include "control.h"
#include "descriptors.h"
#include "failure.h"
#include "identity.h"
#include "json.h"
#include "limits.h"
#include "run_directory.h"
#include "socket_path.h"
#include "text.h"
}
