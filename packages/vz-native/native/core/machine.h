/*
 * A virtual machine. Its methods may be called on any thread and return at once; everything else, the callbacks
 * included, happens on the machine's own serial queue. Each callback of an operation is called exactly once.
 */
#pragma once
#include <functional>
#include <memory>

#include "outcome.h"
#include "machine_configuration.h"

namespace vz {

/* The framework's numbers. */
enum class State { stopped, running, paused, error, starting, pausing, resuming, stopping, saving, restoring };
const char *nameOf(State state);

struct MachineEvents {
  std::function<void(State)> state;
  /* The guest has turned the machine off, or it failed. Not after `stop`. */
  std::function<void(Outcome)> ended;
  /* The guest calls a port of the host that is listened on. The descriptor is the receiver's to close. */
  std::function<void(uint32_t port, int descriptor)> called;
};

class Machine {
 public:
  /* Nothing happens before `start`. */
  Machine(MachineConfiguration configuration, MachineEvents events);
  /* A machine that runs is ended. No event comes any more; operations under way are told. */
  ~Machine();
  Machine(const Machine &) = delete;

  /* Lets go of the machine, as the destructor does, and tells when that is done. */
  void close(std::function<void()> done);

  /* Has the framework check the configuration, and makes nothing. */
  void validate(Done done);
  /* Makes the machine and starts it; ports in `listen` are listened on before the guest can call. */
  void start(std::vector<uint32_t> listen, Done done);
  void stop(Done done);
  /* Presses the power button. */
  void requestStop(Done done);
  void pause(Done done);
  void resume(Done done);
  /* Writes a paused machine's state to a new file. macOS 14. */
  void save(std::string path, Done done);
  /* In place of `start`: makes the machine from a saved state, paused. Its configuration has to be as it was. macOS 14. */
  void restore(std::string path, std::vector<uint32_t> listen, Done done);
  /*
   * In place of `start`: makes the machine, whose guest runs macOS, and installs macOS on its first disk. `progress` is told a
   * fraction from 0 to 1, at first when it has begun; nothing more of it comes after `done`. The machine may run then.
   */
  void install(std::string restoreImage, std::function<void(double)> progress, Done done);
  /* An installation under way ends soon, with a failure. */
  void cancelInstallation();
  /* How much memory the guest is to make do with. */
  void setMemoryTarget(uint64_t bytes, Done done);
  void listen(uint32_t port, Done done);
  void stopListening(uint32_t port, Done done);
  /* Calls a port of the guest. The descriptor is the receiver's to close; -1 comes with a failure. */
  void connect(uint32_t port, std::function<void(int descriptor, Outcome)> done);

 private:
  struct Parts;
  std::shared_ptr<Parts> parts_;
};

}  // namespace vz
