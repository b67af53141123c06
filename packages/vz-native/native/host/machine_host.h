/* The host's whole state, and its life: start, run, end. HOST-CONTRACT.md of @zlayer/host says what it does. */
#pragma once
#include <memory>
#include <string>

#include "console_file.h"
#include "host_c.h"
#include "host_configuration.h"
#include "machine.h"
#include "mailbox.h"
#include "vsock_bridge.h"

class MachineHost {
 public:
  MachineHost(HostConfiguration configuration, int lifeline, int signals);
  /* Runs everything to its end. Returns the program's exit code. */
  int run();

 private:
  enum class Phase { starting, running, ended };
  enum class Owner { launcher, client, none };
  struct End {
    std::string reason; /* as the status file says it; empty until it is known */
    std::string message;
    bool ok;           /* the guest turned the machine off */
    bool failed;       /* the machine failed */
  };

  bool openAll(std::string &why);
  void startMachine();
  void startDone(const vz::Outcome &how);
  void installProgress(double fraction);
  void installDone(const vz::Outcome &how);
  void step(int64_t until);
  void checkLifeline(short events);
  void checkSignals();
  void checkDeadlines();
  void stop(const char *reason, const char *why, int64_t graceMs);
  void stopNow();
  void ownerGone();
  void setEnd(const char *reason, const std::string &message);
  void machineEnded(const vz::Outcome &how);
  void dismantle();
  int finish(bool started);
  void report(bool ready);

  void answer(int client, const json_value *request, text *out);
  vz::Outcome wait(const std::function<void(vz::Done)> &operation);
  void tellState();
  void tellInstallation();
  void tellWatchers(const text &line);
  void addStatus(text *out) const;
  void addExit(text *out) const;
  bool writeStatus(std::string &why) const;

  HostConfiguration configuration_;
  int lifeline_;
  int signals_;
  pid_t pid_;
  char startTime_[START_TIME_BYTES];
  char startedAt_[TIMESTAMP_BYTES];
  char endedAt_[TIMESTAMP_BYTES] = "";
  Phase phase_ = Phase::starting;
  Owner owner_ = Owner::launcher;
  int ownerClient_ = -1;
  bool watches_[MAX_CLIENTS] = {}; /* clients that hear of each state of the machine */
  End end_{};
  vz::State state_ = vz::State::stopped;
  bool machineGone_ = false;
  bool stopping_ = false;
  int installed_ = -1; /* thousandths of an installation of macOS; -1: there is none under way */
  int64_t startDeadline_;
  int64_t stopAt_ = -1;   /* when the grace is over */
  int64_t giveUpAt_ = -1; /* when a machine that does not stop is left to the system */
  control control_{};
  Mailbox mailbox_;
  std::unique_ptr<ConsoleFile> console_;
  std::unique_ptr<VsockBridge> vsock_;
  std::unique_ptr<vz::Machine> machine_;
};
