#include "error_of.h"

Napi::Value errorOf(Napi::Env env, const vz::Failure &failure) {
  Napi::Error error = Napi::Error::New(env, failure.message);
  error.Set("domain", Napi::String::New(env, failure.domain));
  error.Set("number", Napi::Number::New(env, static_cast<double>(failure.code)));
  return error.Value();
}
