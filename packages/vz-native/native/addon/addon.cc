/* What the addon offers. It only translates: everything else is the core's. */
#include <napi.h>

#include "error_of.h"
#include "js_thread.h"
#include "mac_guest.h"
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

static std::string textOf(const Napi::Value &value) {
  std::string text = value.IsString() ? value.As<Napi::String>().Utf8Value() : "";
  if (!text.empty() && text.find('\0') == std::string::npos) return text;
  throw Napi::TypeError::New(value.Env(), "a text is missing");
}

static std::string pathOf(const Napi::Value &value) {
  std::string path = textOf(value);
  if (path[0] == '/') return path;
  throw Napi::TypeError::New(value.Env(), path + " is not an absolute path");
}

static Napi::Value newMachineIdentifier(const Napi::CallbackInfo &info) {
  std::string identifier = vz::newMachineIdentifier();
  if (!identifier.empty()) return Napi::String::New(info.Env(), identifier);
  throw Napi::Error::New(info.Env(), "guests that run macOS are for Macs with Apple silicon");
}

static Napi::Value checkHardwareModel(const Napi::CallbackInfo &info) {
  return Napi::String::New(info.Env(), vz::nameOf(vz::checkHardwareModel(textOf(info[0]))));
}

static Napi::Value createAuxiliaryStorage(const Napi::CallbackInfo &info) {
  vz::Outcome how = vz::createAuxiliaryStorage(pathOf(info[0]), textOf(info[1]));
  if (how) throw Napi::Error(info.Env(), errorOf(info.Env(), *how));
  return info.Env().Undefined();
}

static Napi::Value imageOf(Napi::Env env, const vz::RestoreImage &image) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("url", image.url);
  result.Set("version", image.version);
  result.Set("build", image.build);
  result.Set("supported", image.supported);
  result.Set("hardwareModel", image.hardwareModel);
  result.Set("minCpus", static_cast<double>(image.minCpus));
  result.Set("minMemoryBytes", static_cast<double>(image.minMemoryBytes));
  return result;
}

static Napi::Value askForImage(Napi::Env env, const std::function<void(vz::RestoreImageDone)> &question) {
  auto deferred = Napi::Promise::Deferred::New(env);
  auto thread = JsThread::of(env);
  thread->hold();
  question([thread, deferred](vz::RestoreImage image, vz::Outcome how) {
    thread->post([thread, deferred, image, how](Napi::Env now) {
      how ? deferred.Reject(errorOf(now, *how)) : deferred.Resolve(imageOf(now, image));
      thread->close();
    });
  });
  return deferred.Promise();
}

static Napi::Value loadRestoreImage(const Napi::CallbackInfo &info) {
  std::string path = pathOf(info[0]);
  return askForImage(info.Env(), [&](vz::RestoreImageDone done) { vz::loadRestoreImage(path, done); });
}

static Napi::Value findLatestRestoreImage(const Napi::CallbackInfo &info) {
  return askForImage(info.Env(), vz::findLatestRestoreImage);
}

static Napi::Object exportAll(Napi::Env env, Napi::Object exports) {
  exports.Set("support", Napi::Function::New(env, support));
  exports.Set("randomMac", Napi::Function::New(env, randomMac));
  exports.Set("isMac", Napi::Function::New(env, isMac));
  exports.Set("installRosetta", Napi::Function::New(env, installRosetta));
  exports.Set("newMachineIdentifier", Napi::Function::New(env, newMachineIdentifier));
  exports.Set("checkHardwareModel", Napi::Function::New(env, checkHardwareModel));
  exports.Set("createAuxiliaryStorage", Napi::Function::New(env, createAuxiliaryStorage));
  exports.Set("loadRestoreImage", Napi::Function::New(env, loadRestoreImage));
  exports.Set("findLatestRestoreImage", Napi::Function::New(env, findLatestRestoreImage));
  exports.Set("closeAll", Napi::Function::New(env, MachineObject::closeAll));
  exports.Set("Machine", MachineObject::define(env));
  return exports;
}

NODE_API_MODULE(vz_native, exportAll)
