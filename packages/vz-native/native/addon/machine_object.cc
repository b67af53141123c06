#include "machine_object.h"

#include <fcntl.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <set>

#include "configuration_of.h"
#include "error_of.h"

enum { CLOSE_ALL_SECONDS = 5 };

/* JavaScript's main thread alone makes and ends machines; the loader refuses others. */
static std::set<MachineObject *> &machines() {
  static auto *all = new std::set<MachineObject *>;
  return *all;
}

static vz::Failure closed() { return {"vz-native", 0, "the machine is closed"}; }

static uint32_t portOf(const Napi::Value &value) {
  double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  if (!(number >= 0 && number <= UINT32_MAX && number == static_cast<uint32_t>(number))) {
    throw Napi::TypeError::New(value.Env(), "a port is an integer of 32 bits");
  }
  return static_cast<uint32_t>(number);
}

Napi::Function MachineObject::define(Napi::Env env) {
  return DefineClass(env, "Machine",
                     {
                         InstanceMethod("validate", &MachineObject::validate),
                         InstanceMethod("start", &MachineObject::start),
                         InstanceMethod("stop", &MachineObject::stop),
                         InstanceMethod("requestStop", &MachineObject::requestStop),
                         InstanceMethod("pause", &MachineObject::pause),
                         InstanceMethod("resume", &MachineObject::resume),
                         InstanceMethod("save", &MachineObject::save),
                         InstanceMethod("restore", &MachineObject::restore),
                         InstanceMethod("install", &MachineObject::install),
                         InstanceMethod("cancelInstallation", &MachineObject::cancelInstallation),
                         InstanceMethod("setMemoryTarget", &MachineObject::setMemoryTarget),
                         InstanceMethod("listen", &MachineObject::listen),
                         InstanceMethod("stopListening", &MachineObject::stopListening),
                         InstanceMethod("connect", &MachineObject::connect),
                         InstanceMethod("close", &MachineObject::close),
                     });
}

MachineObject::MachineObject(const Napi::CallbackInfo &info) : Napi::ObjectWrap<MachineObject>(info) {
  Napi::Env env = info.Env();
  bool console = info.Length() == 3 && (info[1].IsNumber() || info[1].IsObject());
  if (!console || !info[0].IsObject() || !info[2].IsFunction()) {
    throw Napi::TypeError::New(env, "a machine needs a configuration, a console and a function");
  }
  vz::MachineConfiguration configuration = configurationOf(info[0].As<Napi::Object>());
  configuration.console = openConsole(info[1]);
  thread_ = JsThread::of(env);
  /* JavaScript's, and so let go of on its thread; what is told meanwhile finds it or does not. */
  event_ = std::make_shared<Napi::FunctionReference>(Napi::Persistent(info[2].As<Napi::Function>()));
  std::weak_ptr<Napi::FunctionReference> event = event_;
  auto thread = thread_;
  auto tell = [thread, event](std::function<void(Napi::Env, Napi::FunctionReference &)> work) {
    thread->post([event, work](Napi::Env now) {
      if (auto function = event.lock()) work(now, *function);
    });
  };
  vz::MachineEvents events{
      .state =
          [tell](vz::State state) {
            tell([state](Napi::Env now, Napi::FunctionReference &function) {
              function.Call({Napi::String::New(now, "state"), Napi::String::New(now, vz::nameOf(state))});
            });
          },
      .ended =
          [tell](vz::Outcome how) {
            tell([how](Napi::Env now, Napi::FunctionReference &function) {
              function.Call({Napi::String::New(now, "ended"), how ? errorOf(now, *how) : now.Undefined()});
            });
          },
      .called =
          [tell](uint32_t port, int number) {
            auto descriptor = std::make_shared<Descriptor>(number);
            tell([port, descriptor](Napi::Env now, Napi::FunctionReference &function) {
              function.Call({Napi::String::New(now, "called"), Napi::Number::New(now, port),
                             Napi::Number::New(now, descriptor->take())});
            });
          },
  };
  machine_ = std::make_unique<vz::Machine>(std::move(configuration), std::move(events));
  machines().insert(this);
}

/* The descriptor that the machine is to write to. */
int MachineObject::openConsole(const Napi::Value &console) {
  if (console.IsNumber()) {
    consoleDescriptor_ = std::make_shared<Descriptor>(fcntl(console.As<Napi::Number>().Int32Value(), F_DUPFD_CLOEXEC, 0));
    if (consoleDescriptor_->number() >= 0) return consoleDescriptor_->number();
    throw Napi::Error::New(console.Env(), std::string("console: ") + strerror(errno));
  }
  Napi::Value file = console.As<Napi::Object>().Get("file"), bytes = console.As<Napi::Object>().Get("maxBytes");
  int64_t limit = bytes.IsNumber() ? bytes.As<Napi::Number>().Int64Value() : 0;
  if (!file.IsString() || limit < 4096) {
    throw Napi::TypeError::New(console.Env(), "a console is a descriptor, or a file and at least 4096 bytes");
  }
  try {
    consoleThread_ = std::make_shared<ConsoleThread>(file.As<Napi::String>().Utf8Value(), limit);
    return consoleThread_->writer();
  } catch (const std::runtime_error &error) {
    throw Napi::Error::New(console.Env(), error.what());
  }
}

MachineObject::~MachineObject() {
  letGo([] {});
  if (thread_) thread_->close();
}

/* The console is the framework's until the machine is gone. */
void MachineObject::letGo(std::function<void()> done) {
  machines().erase(this);
  if (!machine_) return done();
  machine_->close([descriptor = consoleDescriptor_, thread = consoleThread_, done]() mutable {
    thread.reset();
    done();
  });
  machine_.reset();
  consoleDescriptor_.reset();
  consoleThread_.reset();
  event_.reset();
}

void MachineObject::hold() {
  Ref();
  thread_->hold();
}

void MachineObject::unhold() {
  thread_->letGo();
  Unref();
}

void MachineObject::closeAll(const Napi::CallbackInfo &) {
  struct Left {
    std::mutex mutex;
    std::condition_variable changed;
    size_t count;
  };
  auto left = std::make_shared<Left>();
  auto all = machines();
  left->count = all.size();
  for (MachineObject *machine : all) {
    machine->letGo([left] {
      std::lock_guard<std::mutex> lock(left->mutex);
      left->count--;
      left->changed.notify_all();
    });
  }
  std::unique_lock<std::mutex> lock(left->mutex);
  left->changed.wait_for(lock, std::chrono::seconds(CLOSE_ALL_SECONDS), [&] { return left->count == 0; });
}

Napi::Value MachineObject::promise(Napi::Env env, const std::function<void(vz::Machine &, vz::Done)> &operation) {
  auto deferred = Napi::Promise::Deferred::New(env);
  Napi::Value result = deferred.Promise();
  if (!machine_) {
    deferred.Reject(errorOf(env, closed()));
    return result;
  }
  hold();
  operation(*machine_, [this, thread = thread_, deferred](vz::Outcome how) {
    thread->post([this, deferred, how](Napi::Env now) {
      unhold();
      how ? deferred.Reject(errorOf(now, *how)) : deferred.Resolve(now.Undefined());
    });
  });
  return result;
}

Napi::Value MachineObject::validate(const Napi::CallbackInfo &info) {
  return promise(info.Env(), [](vz::Machine &machine, vz::Done done) { machine.validate(done); });
}

static std::vector<uint32_t> portsOf(const Napi::Value &value) {
  if (!value.IsArray()) throw Napi::TypeError::New(value.Env(), "the ports to listen on are an array");
  Napi::Array array = value.As<Napi::Array>();
  std::vector<uint32_t> ports;
  for (uint32_t index = 0; index < array.Length(); index++) ports.push_back(portOf(array.Get(index)));
  return ports;
}

static std::string pathOf(const Napi::Value &value) {
  std::string path = value.IsString() ? value.As<Napi::String>().Utf8Value() : "";
  if (path[0] == '/' && path.find('\0') == std::string::npos) return path;
  throw Napi::TypeError::New(value.Env(), "the path is not absolute");
}

Napi::Value MachineObject::start(const Napi::CallbackInfo &info) {
  std::vector<uint32_t> ports = portsOf(info[0]);
  return promise(info.Env(), [&](vz::Machine &machine, vz::Done done) { machine.start(ports, done); });
}

Napi::Value MachineObject::save(const Napi::CallbackInfo &info) {
  std::string path = pathOf(info[0]);
  return promise(info.Env(), [&](vz::Machine &machine, vz::Done done) { machine.save(path, done); });
}

Napi::Value MachineObject::restore(const Napi::CallbackInfo &info) {
  std::string path = pathOf(info[0]);
  std::vector<uint32_t> ports = portsOf(info[1]);
  return promise(info.Env(), [&](vz::Machine &machine, vz::Done done) { machine.restore(path, ports, done); });
}

Napi::Value MachineObject::install(const Napi::CallbackInfo &info) {
  std::string path = pathOf(info[0]);
  if (!info[1].IsFunction()) throw Napi::TypeError::New(info.Env(), "an installation tells its progress to a function");
  auto told = std::make_shared<Napi::FunctionReference>(Napi::Persistent(info[1].As<Napi::Function>()));
  std::weak_ptr<Napi::FunctionReference> tell = told;
  auto progress = [thread = thread_, tell](double fraction) {
    thread->post([tell, fraction](Napi::Env now) {
      if (auto function = tell.lock()) function->Call({Napi::Number::New(now, fraction)});
    });
  };
  auto deferred = Napi::Promise::Deferred::New(info.Env());
  Napi::Value result = deferred.Promise();
  if (!machine_) {
    deferred.Reject(errorOf(info.Env(), closed()));
    return result;
  }
  hold();
  progress_ = told;
  machine_->install(path, progress, [this, thread = thread_, deferred](vz::Outcome how) {
    thread->post([this, deferred, how](Napi::Env now) {
      progress_.reset();
      unhold();
      how ? deferred.Reject(errorOf(now, *how)) : deferred.Resolve(now.Undefined());
    });
  });
  return result;
}

Napi::Value MachineObject::cancelInstallation(const Napi::CallbackInfo &info) {
  if (machine_) machine_->cancelInstallation();
  return info.Env().Undefined();
}

Napi::Value MachineObject::stop(const Napi::CallbackInfo &info) {
  return promise(info.Env(), [](vz::Machine &machine, vz::Done done) { machine.stop(done); });
}

Napi::Value MachineObject::requestStop(const Napi::CallbackInfo &info) {
  return promise(info.Env(), [](vz::Machine &machine, vz::Done done) { machine.requestStop(done); });
}

Napi::Value MachineObject::pause(const Napi::CallbackInfo &info) {
  return promise(info.Env(), [](vz::Machine &machine, vz::Done done) { machine.pause(done); });
}

Napi::Value MachineObject::resume(const Napi::CallbackInfo &info) {
  return promise(info.Env(), [](vz::Machine &machine, vz::Done done) { machine.resume(done); });
}

Napi::Value MachineObject::setMemoryTarget(const Napi::CallbackInfo &info) {
  if (!info[0].IsNumber()) throw Napi::TypeError::New(info.Env(), "a memory target is a number of bytes");
  int64_t bytes = info[0].As<Napi::Number>().Int64Value();
  if (bytes <= 0) throw Napi::TypeError::New(info.Env(), "a memory target is positive");
  return promise(info.Env(), [bytes](vz::Machine &machine, vz::Done done) {
    machine.setMemoryTarget(static_cast<uint64_t>(bytes), done);
  });
}

Napi::Value MachineObject::listen(const Napi::CallbackInfo &info) {
  uint32_t port = portOf(info[0]);
  return promise(info.Env(), [port](vz::Machine &machine, vz::Done done) { machine.listen(port, done); });
}

Napi::Value MachineObject::stopListening(const Napi::CallbackInfo &info) {
  uint32_t port = portOf(info[0]);
  return promise(info.Env(), [port](vz::Machine &machine, vz::Done done) { machine.stopListening(port, done); });
}

Napi::Value MachineObject::connect(const Napi::CallbackInfo &info) {
  uint32_t port = portOf(info[0]);
  auto deferred = Napi::Promise::Deferred::New(info.Env());
  Napi::Value result = deferred.Promise();
  if (!machine_) {
    deferred.Reject(errorOf(info.Env(), closed()));
    return result;
  }
  hold();
  machine_->connect(port, [this, thread = thread_, deferred](int number, vz::Outcome how) {
    auto descriptor = std::make_shared<Descriptor>(number);
    thread->post([this, deferred, descriptor, how](Napi::Env now) {
      unhold();
      how ? deferred.Reject(errorOf(now, *how)) : deferred.Resolve(Napi::Number::New(now, descriptor->take()));
    });
  });
  return result;
}

Napi::Value MachineObject::close(const Napi::CallbackInfo &info) {
  auto deferred = Napi::Promise::Deferred::New(info.Env());
  Napi::Value result = deferred.Promise();
  hold();
  letGo([this, thread = thread_, deferred] {
    thread->post([this, deferred](Napi::Env now) {
      unhold();
      deferred.Resolve(now.Undefined());
    });
  });
  return result;
}
