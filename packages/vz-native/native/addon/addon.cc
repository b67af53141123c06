/* What the addon offers. It only translates: everything else is the core's. */
#include <napi.h>

#include "error_of.h"
#include "js_thread.h"
#include "machine_object.h"
#include "rosetta.h"
#include "support.h"

static Napi::Value support(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  vz::Limits limits = vz::limits();
  Napi::Object result = Napi::Object::New(env);
  result.Set("supported", vz::isSupported());
  result.Set("entitled", vz::isEntitled());
  result.Set("rosetta", vz::nameOf(vz::rosetta()));
  result.Set("maxCpus", static_cast<double>(limits.maxCpus));
  result.Set("minMemoryBytes", static_cast<double>(limits.minMemoryBytes));
  result.Set("maxMemoryBytes", static_cast<double>(limits.maxMemoryBytes));
  return result;
}

static Napi::Value randomMac(const Napi::CallbackInfo &info) { return Napi::String::New(info.Env(), vz::randomMac()); }

static Napi::Value isMac(const Napi::CallbackInfo &info) {
  bool is = info[0].IsString() && vz::isMac(info[0].As<Napi::String>().Utf8Value());
  return Napi::Boolean::New(info.Env(), is);
}

static Napi::Value installRosetta(const Napi::CallbackInfo &info) {
  auto deferred = Napi::Promise::Deferred::New(info.Env());
  auto thread = JsThread::of(info.Env());
  thread->hold();
  vz::installRosetta([thread, deferred](vz::Outcome how) {
    thread->post([thread, deferred, how](Napi::Env env) {
      how ? deferred.Reject(errorOf(env, *how)) : deferred.Resolve(env.Undefined());
      thread->close();
    });
  });
  return deferred.Promise();
}

static Napi::Object exportAll(Napi::Env env, Napi::Object exports) {
  exports.Set("support", Napi::Function::New(env, support));
  exports.Set("randomMac", Napi::Function::New(env, randomMac));
  exports.Set("isMac", Napi::Function::New(env, isMac));
  exports.Set("installRosetta", Napi::Function::New(env, installRosetta));
  exports.Set("closeAll", Napi::Function::New(env, MachineObject::closeAll));
  exports.Set("Machine", MachineObject::define(env));
  return exports;
}

NODE_API_MODULE(vz_native, exportAll)
