/* A failure of the framework as an error of JavaScript, with `domain` and `number`. */
#pragma once
#include <napi.h>

#include "outcome.h"

Napi::Value errorOf(Napi::Env env, const vz::Failure &failure);
