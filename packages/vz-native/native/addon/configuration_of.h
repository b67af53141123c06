#pragma once
#include <napi.h>

#include "machine_configuration.h"

/* A machine's configuration out of an object of the shape that `VzMachineConfig` has. Throws a TypeError that names
 * the key at fault. */
vz::MachineConfiguration configurationOf(const Napi::Object &object);
