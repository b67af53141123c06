/* Work that other threads leave for the thread that JavaScript runs on. */
#pragma once
#include <napi.h>

#include <functional>
#include <memory>
#include <mutex>

class JsThread : public std::enable_shared_from_this<JsThread> {
 public:
  /* It does not keep the program running, but while it is held. */
  static std::shared_ptr<JsThread> of(Napi::Env env);

  /* On any thread. The work is dropped if JavaScript ends before. */
  void post(std::function<void(Napi::Env)> work);
  /* On JavaScript's own thread: nothing that is posted later comes. */
  void close();
  /* On JavaScript's own thread: the program goes on as long as something is awaited. */
  void hold();
  void letGo();

 private:
  std::mutex mutex_;
  napi_threadsafe_function function_ = nullptr;
  napi_env env_ = nullptr;
  int held_ = 0;
};
