#include "js_thread.h"

using Work = std::function<void(Napi::Env)>;

/* Without an environment JavaScript has ended, and the work is only let go of. */
static void call(napi_env env, napi_value, void *, void *data) {
  std::unique_ptr<Work> work(static_cast<Work *>(data));
  if (env == nullptr) return;
  Napi::HandleScope scope(env);
  (*work)(env);
}

std::shared_ptr<JsThread> JsThread::of(Napi::Env env) {
  auto thread = std::make_shared<JsThread>();
  thread->env_ = env;
  /* Node frees the function when it ends; nobody may be using it then. */
  auto *self = new std::shared_ptr<JsThread>(thread);
  auto gone = [](napi_env, void *data, void *) {
    std::unique_ptr<std::shared_ptr<JsThread>> self(static_cast<std::shared_ptr<JsThread> *>(data));
    std::lock_guard<std::mutex> lock((*self)->mutex_);
    (*self)->function_ = nullptr;
  };
  napi_status status = napi_create_threadsafe_function(env, nullptr, nullptr, Napi::String::New(env, "vz-native"), 0, 1,
                                                       self, gone, nullptr, call, &thread->function_);
  if (status != napi_ok) {
    delete self;
    throw Napi::Error::New(env);
  }
  napi_unref_threadsafe_function(env, thread->function_);
  return thread;
}

void JsThread::post(Work work) {
  auto item = std::make_unique<Work>(std::move(work));
  std::lock_guard<std::mutex> lock(mutex_);
  if (function_ == nullptr) return;
  napi_status status = napi_call_threadsafe_function(function_, item.get(), napi_tsfn_nonblocking);
  if (status == napi_ok) item.release();
  /* It must not be touched again. */
  if (status == napi_closing) function_ = nullptr;
}

void JsThread::close() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (function_ != nullptr) napi_release_threadsafe_function(function_, napi_tsfn_release);
  function_ = nullptr;
}

void JsThread::hold() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (held_++ == 0 && function_ != nullptr) napi_ref_threadsafe_function(env_, function_);
}

void JsThread::letGo() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (--held_ == 0 && function_ != nullptr) napi_unref_threadsafe_function(env_, function_);
}
