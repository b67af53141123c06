/* A machine as an object of JavaScript. Its operations return promises; its events are calls of one function. */
#pragma once
#include <napi.h>

#include "console_thread.h"
#include "descriptor.h"
#include "js_thread.h"
#include "machine.h"

class MachineObject : public Napi::ObjectWrap<MachineObject> {
 public:
  static Napi::Function define(Napi::Env env);
  /* Ends every machine of the process and waits a few seconds at most until they have. For the end of the program. */
  static void closeAll(const Napi::CallbackInfo &info);

  /*
   * `(configuration, console, (event, value, descriptor) => void)`. The console is a descriptor, which is duplicated, or
   * `{ file, maxBytes }`.
   */
  explicit MachineObject(const Napi::CallbackInfo &info);
  /* Does not wait: the machine ends on its own queue. */
  ~MachineObject() override;

 private:
  Napi::Value validate(const Napi::CallbackInfo &info);
  Napi::Value start(const Napi::CallbackInfo &info);
  Napi::Value stop(const Napi::CallbackInfo &info);
  Napi::Value requestStop(const Napi::CallbackInfo &info);
  Napi::Value pause(const Napi::CallbackInfo &info);
  Napi::Value resume(const Napi::CallbackInfo &info);
  Napi::Value save(const Napi::CallbackInfo &info);
  Napi::Value install(const Napi::CallbackInfo &info);
  Napi::Value cancelInstallation(const Napi::CallbackInfo &info);
  Napi::Value restore(const Napi::CallbackInfo &info);
  Napi::Value setMemoryTarget(const Napi::CallbackInfo &info);
  Napi::Value listen(const Napi::CallbackInfo &info);
  Napi::Value stopListening(const Napi::CallbackInfo &info);
  Napi::Value connect(const Napi::CallbackInfo &info);
  Napi::Value close(const Napi::CallbackInfo &info);

  /* A promise of how an operation ends. */
  Napi::Value promise(Napi::Env env, const std::function<void(vz::Machine &, vz::Done)> &operation);
  int openConsole(const Napi::Value &console);
  void letGo(std::function<void()> done);
  /* While something is awaited, this is not collected and the program goes on. */
  void hold();
  void unhold();

  std::unique_ptr<vz::Machine> machine_;
  std::shared_ptr<Descriptor> consoleDescriptor_;
  std::shared_ptr<ConsoleThread> consoleThread_;
  std::shared_ptr<JsThread> thread_;
  std::shared_ptr<Napi::FunctionReference> event_;
  std::shared_ptr<Napi::FunctionReference> progress_; /* of an installation under way */
};
