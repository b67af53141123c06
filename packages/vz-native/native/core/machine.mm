#include "machine.h"

#include <fcntl.h>

#include <cerrno>
#include <cstring>

#import <Virtualization/Virtualization.h>

#include "framework_configuration.h"
#include "mac_installation.h"
#include "machine_delegate.h"
#include "ns_failure.h"
#include "ns_text.h"
#include "on_queue.h"

namespace vz {

const char *nameOf(State state) {
  static const char *const names[] = {"stopped", "running",  "paused",   "error",  "starting",
                                      "pausing", "resuming", "stopping", "saving", "restoring"};
  return names[static_cast<int>(state)];
}

static Failure notRunning() { return {"VZErrorDomain", VZErrorInvalidVirtualMachineState, "the machine was not made"}; }

/* What belongs to the queue. It lives until the last piece of work on the queue has let go of it. */
struct Machine::Parts {
  dispatch_queue_t queue;
  MachineConfiguration configuration;
  MachineEvents events;
  VZVirtualMachine *machine = nil;
  ZLMachineDelegate *delegate = nil;
  ZLListenerDelegate *listenerDelegate = nil;
  NSObject *installation = nil;

  VZVirtioSocketDevice *socket() const {
    return static_cast<VZVirtioSocketDevice *>([[machine socketDevices] firstObject]);
  }
  void tell() const {
    if (machine != nil && events.state) events.state(static_cast<State>([machine state]));
  }
  Outcome make(const std::vector<uint32_t> &ports);
  Outcome listen(uint32_t port);
  void dismantle();
};

using Handler = void (^)(NSError *);

Outcome Machine::Parts::make(const std::vector<uint32_t> &ports) {
  Outcome outcome;
  VZVirtualMachineConfiguration *made = frameworkConfiguration(configuration, outcome);
  if (outcome) return outcome;
  return guarded([&]() -> Outcome {
    machine = [[VZVirtualMachine alloc] initWithConfiguration:made queue:queue];
    delegate = [[ZLMachineDelegate alloc] init];
    delegate->ended = [this](Outcome how) {
      tell();
      if (events.ended) events.ended(how);
    };
    [machine setDelegate:delegate];
    listenerDelegate = [[ZLListenerDelegate alloc] init];
    listenerDelegate->called = events.called;
    for (uint32_t port : ports) listen(port);
    return std::nullopt;
  });
}

Outcome Machine::Parts::listen(uint32_t port) {
  VZVirtioSocketListener *listener = [[[VZVirtioSocketListener alloc] init] autorelease];
  [listener setDelegate:listenerDelegate];
  [socket() setSocketListener:listener forPort:port];
  return std::nullopt;
}

/* Delegates go first, so that nothing is told any more; then the machine, whose devices go with it. */
void Machine::Parts::dismantle() {
  /* It lets go of itself when it has ended. */
  if (installation != nil) vz::cancelInstallation(installation);
  [machine setDelegate:nil];
  [machine release];
  machine = nil;
  [delegate release];
  delegate = nil;
  [listenerDelegate release];
  listenerDelegate = nil;
  events = {};
}

/* Calls `work` with a handler that tells `done` how it ended; `work` is not called for want of a machine. */
static void operate(std::shared_ptr<void> alive, VZVirtualMachine *machine, std::function<void()> tell,
                    Done done, const std::function<void(Handler)> &work) {
  if (machine == nil) {
    done(notRunning());
    return;
  }
  /* Made out here: within a lambda a block would take references in place of copies. */
  Handler handler = ^(NSError *error) {
    (void)alive;
    tell();
    done(outcomeOf(error));
  };
  Outcome refused = guarded([&]() -> Outcome {
    work(handler);
    return std::nullopt;
  });
  /* An exception comes in place of the handler's call. */
  if (refused) done(refused);
}

Machine::Machine(MachineConfiguration configuration, MachineEvents events) : parts_(std::make_shared<Parts>()) {
  parts_->queue = dispatch_queue_create("dev.zlayer.machine", DISPATCH_QUEUE_SERIAL);
  parts_->configuration = std::move(configuration);
  parts_->events = std::move(events);
}

Machine::~Machine() {
  close([] {});
  dispatch_release(parts_->queue);
}

void Machine::close(std::function<void()> done) {
  onQueue(parts_->queue, [parts = parts_, done] {
    @autoreleasepool {
      parts->dismantle();
    }
    done();
  });
}

void Machine::validate(Done done) {
  onQueue(parts_->queue, [parts = parts_, done] {
    @autoreleasepool {
      Outcome outcome;
      frameworkConfiguration(parts->configuration, outcome);
      done(outcome);
    }
  });
}

void Machine::start(std::vector<uint32_t> ports, Done done) {
  onQueue(parts_->queue, [parts = parts_, ports, done] {
    @autoreleasepool {
      if (parts->machine == nil) {
        if (Outcome refused = parts->make(ports)) return done(refused);
      }
      operate(parts, parts->machine, [parts] { parts->tell(); }, done,
              [&](Handler handler) { [parts->machine startWithCompletionHandler:handler]; });
    }
  });
}

void Machine::stop(Done done) {
  onQueue(parts_->queue, [parts = parts_, done] {
    @autoreleasepool {
      operate(parts, parts->machine, [parts] { parts->tell(); }, done,
              [&](Handler handler) { [parts->machine stopWithCompletionHandler:handler]; });
    }
  });
}

void Machine::requestStop(Done done) {
  onQueue(parts_->queue, [parts = parts_, done] {
    @autoreleasepool {
      if (parts->machine == nil) return done(notRunning());
      done(guarded([&]() -> Outcome {
        NSError *error = nil;
        if ([parts->machine requestStopWithError:&error]) return std::nullopt;
        return failureOf(error);
      }));
    }
  });
}

void Machine::pause(Done done) {
  onQueue(parts_->queue, [parts = parts_, done] {
    @autoreleasepool {
      operate(parts, parts->machine, [parts] { parts->tell(); }, done,
              [&](Handler handler) { [parts->machine pauseWithCompletionHandler:handler]; });
    }
  });
}

void Machine::resume(Done done) {
  onQueue(parts_->queue, [parts = parts_, done] {
    @autoreleasepool {
      operate(parts, parts->machine, [parts] { parts->tell(); }, done,
              [&](Handler handler) { [parts->machine resumeWithCompletionHandler:handler]; });
    }
  });
}

void Machine::save(std::string path, Done done) {
  onQueue(parts_->queue, [parts = parts_, path, done] {
    @autoreleasepool {
      if (@available(macOS 14.0, *)) {
        operate(parts, parts->machine, [parts] { parts->tell(); }, done, [&](Handler handler) {
          [parts->machine saveMachineStateToURL:file(path) completionHandler:handler];
        });
      } else {
        done(Failure{"VZErrorDomain", VZErrorNotSupported, "saving a machine needs macOS 14"});
      }
    }
  });
}

void Machine::restore(std::string path, std::vector<uint32_t> ports, Done done) {
  onQueue(parts_->queue, [parts = parts_, path, ports, done] {
    @autoreleasepool {
      if (@available(macOS 14.0, *)) {
        if (parts->machine == nil) {
          if (Outcome refused = parts->make(ports)) return done(refused);
        }
        operate(parts, parts->machine, [parts] { parts->tell(); }, done, [&](Handler handler) {
          [parts->machine restoreMachineStateFromURL:file(path) completionHandler:handler];
        });
      } else {
        done(Failure{"VZErrorDomain", VZErrorNotSupported, "restoring a machine needs macOS 14"});
      }
    }
  });
}

void Machine::install(std::string restoreImage, std::function<void(double)> progress, Done done) {
  onQueue(parts_->queue, [parts = parts_, restoreImage, progress, done] {
    @autoreleasepool {
      if (parts->machine == nil) {
        if (Outcome refused = parts->make({})) return done(refused);
      }
      if (parts->installation != nil) {
        return done(Failure{"VZErrorDomain", VZErrorInvalidVirtualMachineState, "macOS is being installed already"});
      }
      Outcome refused;
      Done ended = [parts, done](Outcome how) {
        [parts->installation release];
        parts->installation = nil;
        parts->tell();
        done(how);
      };
      parts->installation = beginInstallation(parts->machine, restoreImage, progress, ended, refused);
      parts->tell();
      if (refused) done(refused);
    }
  });
}

void Machine::cancelInstallation() {
  onQueue(parts_->queue, [parts = parts_] {
    @autoreleasepool {
      if (parts->installation != nil) vz::cancelInstallation(parts->installation);
    }
  });
}

void Machine::setMemoryTarget(uint64_t bytes, Done done) {
  onQueue(parts_->queue, [parts = parts_, bytes, done] {
    @autoreleasepool {
      if (parts->machine == nil) return done(notRunning());
      done(guarded([&]() -> Outcome {
        VZMemoryBalloonDevice *balloon = [[parts->machine memoryBalloonDevices] firstObject];
        [(VZVirtioTraditionalMemoryBalloonDevice *)balloon setTargetVirtualMachineMemorySize:bytes];
        return std::nullopt;
      }));
    }
  });
}

void Machine::listen(uint32_t port, Done done) {
  onQueue(parts_->queue, [parts = parts_, port, done] {
    @autoreleasepool {
      if (parts->machine == nil) return done(notRunning());
      done(guarded([&] { return parts->listen(port); }));
    }
  });
}

void Machine::stopListening(uint32_t port, Done done) {
  onQueue(parts_->queue, [parts = parts_, port, done] {
    @autoreleasepool {
      if (parts->machine == nil) return done(notRunning());
      done(guarded([&]() -> Outcome {
        [parts->socket() removeSocketListenerForPort:port];
        return std::nullopt;
      }));
    }
  });
}

void Machine::connect(uint32_t port, std::function<void(int, Outcome)> done) {
  onQueue(parts_->queue, [parts = parts_, port, done] {
    @autoreleasepool {
      if (parts->machine == nil) return done(-1, notRunning());
      Outcome refused = guarded([&]() -> Outcome {
        /* A block takes a copy of a local variable, and of a reference only the reference. */
        auto finish = done;
        auto answer = ^(VZVirtioSocketConnection *connection, NSError *error) {
          if (connection == nil) return finish(-1, failureOf(error));
          /* The connection closes its descriptor when it is released. */
          int descriptor = fcntl([connection fileDescriptor], F_DUPFD_CLOEXEC, 0);
          if (descriptor >= 0) return finish(descriptor, std::nullopt);
          finish(-1, Failure{"NSPOSIXErrorDomain", errno, strerror(errno)});
        };
        [parts->socket() connectToPort:port completionHandler:answer];
        return std::nullopt;
      });
      if (refused) done(-1, refused);
    }
  });
}

}  // namespace vz
