#include "machine_host.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <optional>

enum { OPERATION_MS = 60'000, DISMANTLE_MS = 5000 };

MachineHost::MachineHost(HostConfiguration configuration, int lifeline, int signals)
    : configuration_(std::move(configuration)), lifeline_(lifeline), signals_(signals), pid_(getpid()) {
  if (!process_start_time(pid_, startTime_)) throw std::runtime_error("the host's own start time cannot be read");
  timestamp(startedAt_);
  startDeadline_ = now_ms() + configuration_.startTimeoutMs;
}

void MachineHost::setEnd(const char *reason, const std::string &message) {
  if (!end_.reason.empty()) return;
  end_.reason = reason;
  end_.message = message;
}

/* The first reason stays; a later call can only shorten the grace. */
void MachineHost::stop(const char *reason, const char *why, int64_t graceMs) {
  if (phase_ == Phase::ended || machineGone_) return;
  setEnd(phase_ == Phase::starting ? "start-failed" : reason, why);
  if (phase_ == Phase::starting) return;
  int64_t at = now_ms() + graceMs;
  if (stopAt_ < 0 || at < stopAt_) stopAt_ = at;
  if (installed_ >= 0) machine_->cancelInstallation();
  else if (graceMs > 0 && !stopping_) machine_->requestStop([](vz::Outcome) {});
  stopping_ = true;
}

void MachineHost::stopNow() {
  stopAt_ = -1;
  giveUpAt_ = now_ms() + KILLED_WAIT_MS;
  machine_->stop([this](vz::Outcome how) {
    mailbox_.post([this, how] {
      /* One that cannot be stopped has ended already, or ends with this process. */
      machineGone_ = true;
      (void)how;
    });
  });
}

void MachineHost::machineEnded(const vz::Outcome &how) {
  /* Whoever installs starts it anew in between, and tells how that ends. */
  if (installed_ >= 0) return;
  machineGone_ = true;
  if (!end_.reason.empty()) return;
  end_.ok = !how;
  end_.failed = how.has_value();
  setEnd("exited", how ? "the virtual machine failed: " + how->message : "the guest turned the machine off");
}

void MachineHost::ownerGone() {
  owner_ = Owner::none;
  if (!configuration_.keepOnOwnerExit) stop("owner-gone", "the owner ended", configuration_.stopGraceMs);
}

void MachineHost::checkLifeline(short events) {
  char discarded[256];
  if (events == 0) return;
  bool open = (events & (POLLHUP | POLLERR | POLLNVAL)) == 0;
  if (open) {
    ssize_t got = read(lifeline_, discarded, sizeof discarded);
    open = got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN));
  }
  if (open) return;
  close(lifeline_);
  lifeline_ = -1;
  if (owner_ == Owner::launcher) ownerGone();
}

void MachineHost::checkSignals() {
  unsigned char signals[64];
  ssize_t got;
  while ((got = read(signals_, signals, sizeof signals)) > 0) {
    std::string why = "the host received signal " + std::to_string(signals[0]);
    stop("stopped", why.c_str(), configuration_.stopGraceMs);
  }
}

void MachineHost::checkDeadlines() {
  int64_t now = now_ms();
  if (phase_ == Phase::starting && now >= startDeadline_) {
    setEnd("start-failed", "the machine did not run after " + std::to_string(configuration_.startTimeoutMs) + " ms");
  }
  if (stopAt_ >= 0 && now >= stopAt_) stopNow();
  if (giveUpAt_ >= 0 && now >= giveUpAt_) machineGone_ = true;
}

/* Waits for something to happen, but not beyond `until` (-1: for ever), and deals with it. */
void MachineHost::step(int64_t until) {
  enum { SIGNALS, LINE, MAIL, CONSOLE, CONTROL, OWN_SLOTS = CONTROL + CONTROL_POLL_SLOTS };
  static std::vector<pollfd> slots;
  slots.assign(OWN_SLOTS, {});
  slots[SIGNALS] = {signals_, POLLIN, 0};
  slots[LINE] = {lifeline_, POLLIN, 0};
  slots[MAIL] = {mailbox_.descriptor(), POLLIN, 0};
  slots[CONSOLE] = {console_ ? console_->reader() : -1, POLLIN, 0};
  control_before_poll(&control_, &slots[CONTROL]);
  if (vsock_) vsock_->beforePoll(slots);

  int64_t next = until;
  const int64_t deadlines[] = {phase_ == Phase::starting ? startDeadline_ : -1, stopAt_, giveUpAt_,
                               control_.accept_again_at == 0 ? -1 : control_.accept_again_at};
  for (int64_t deadline : deadlines) {
    if (deadline >= 0 && (next < 0 || deadline < next)) next = deadline;
  }
  int64_t pause = next < 0 ? -1 : next - now_ms();
  int ready = poll(slots.data(), (nfds_t)slots.size(), next < 0 ? -1 : pause < 0 ? 0 : (int)pause);
  if (ready > 0) {
    if (slots[CONSOLE].revents != 0) console_->drain();
    /* What has ended comes first, so that a request never acts on it. */
    if (slots[MAIL].revents != 0) mailbox_.deliver();
    if (slots[SIGNALS].revents != 0) checkSignals();
    checkLifeline(slots[LINE].revents);
    if (vsock_) vsock_->afterPoll(slots);
    control_after_poll(&control_, &slots[CONTROL]);
  }
  checkDeadlines();
}

void MachineHost::startMachine() {
  configuration_.machine.console = console_->writer();
  vz::MachineEvents events{
      .state =
          [this](vz::State state) {
            mailbox_.post([this, state] {
              state_ = state;
              tellState();
            });
          },
      .ended = [this](vz::Outcome how) { mailbox_.post([this, how] { machineEnded(how); }); },
      .called =
          [this](uint32_t port, int descriptor) {
            mailbox_.post([this, port, descriptor] { vsock_->guestCalls(port, descriptor); });
          },
  };
  machine_ = std::make_unique<vz::Machine>(configuration_.machine, std::move(events));
  vz::Done done = [this](vz::Outcome how) { mailbox_.post([this, how] { startDone(how); }); };
  if (!configuration_.savedState.empty()) return machine_->restore(configuration_.savedState, configuration_.listen, done);
  if (configuration_.restoreImage.empty()) return machine_->start(configuration_.listen, done);
  machine_->install(
      configuration_.restoreImage,
      [this](double fraction) { mailbox_.post([this, fraction] { installProgress(fraction); }); },
      [this](vz::Outcome how) { mailbox_.post([this, how] { installDone(how); }); });
}

void MachineHost::startDone(const vz::Outcome &how) {
  if (!how && end_.reason.empty()) phase_ = Phase::running;
  if (how) setEnd("start-failed", how->message);
  if (how) machineGone_ = true;
}

void MachineHost::installProgress(double fraction) {
  if (phase_ == Phase::starting && end_.reason.empty()) phase_ = Phase::running;
  int thousandths = (int)(1000 * fraction);
  if (thousandths == installed_) return;
  installed_ = thousandths;
  tellInstallation();
}

/* The machine may run on, and is of no use before it is started as one that has macOS. */
void MachineHost::installDone(const vz::Outcome &how) {
  installed_ = -1;
  if (phase_ == Phase::starting) return startDone(how ? how : vz::Failure{"vz-host", 0, "nothing was installed"});
  if (end_.reason.empty()) {
    end_.ok = !how;
    end_.failed = how.has_value();
    setEnd("exited", how ? "macOS could not be installed: " + how->message : "macOS is installed");
  }
  if (!machineGone_ && giveUpAt_ < 0) stopNow();
}

bool MachineHost::openAll(std::string &why) {
  try {
    console_ = std::make_unique<ConsoleFile>(configuration_.consoleFile, configuration_.consoleBytes);
    vsock_ = std::make_unique<VsockBridge>(
        configuration_.vsockSocket, [this](uint32_t port, std::function<void(int)> done) {
          machine_->connect(port, [this, done](int descriptor, vz::Outcome) {
            mailbox_.post([done, descriptor] { done(descriptor); });
          });
        });
    vsock_->open();
    return true;
  } catch (const std::runtime_error &error) {
    why = error.what();
    return false;
  }
}

/* Ends the machine, if it has not ended, and everything that refers to it. */
void MachineHost::dismantle() {
  if (!machine_) return;
  if (!machineGone_ && giveUpAt_ < 0) stopNow();
  while (!machineGone_) step(-1);
  bool done = false;
  machine_->close([this, &done] { mailbox_.post([&done] { done = true; }); });
  for (int64_t until = now_ms() + DISMANTLE_MS; !done && now_ms() < until;) step(until);
  /* Whatever did not answer in time ends with the process, and may still refer to this. */
  if (done) machine_.reset();
  console_->drain();
}

void MachineHost::report(bool ready) {
  static char bytes[MAX_STATUS_BYTES];
  text line{bytes, 0, sizeof bytes, false};
  if (ready) {
    text_add(&line, "{\"ready\":true,\"pid\":");
    text_add_integer(&line, pid_);
    text_add(&line, ",\"startTime\":");
    text_add_json(&line, startTime_);
    text_add(&line, ",\"main\":{\"pid\":");
    text_add_integer(&line, pid_);
    text_add(&line, ",\"startTime\":");
    text_add_json(&line, startTime_);
    text_add(&line, "}}\n");
  } else {
    text_add(&line, "{\"ready\":false,\"error\":");
    text_add_json(&line, end_.message.c_str());
    text_add(&line, "}\n");
  }
  if (lifeline_ >= 0 && write(lifeline_, line.bytes, line.length) < 0) return;
}

void MachineHost::tellState() {
  static char bytes[MAX_ARGUMENT_BYTES];
  text line{bytes, 0, sizeof bytes, false};
  text_add(&line, "{\"event\":\"state\",\"machine\":");
  text_add_json(&line, vz::nameOf(state_));
  text_add(&line, "}\n");
  tellWatchers(line);
}

/* As parts of 1000, so that it is an integer. */
void MachineHost::tellInstallation() {
  static char bytes[MAX_ARGUMENT_BYTES];
  text line{bytes, 0, sizeof bytes, false};
  text_add(&line, "{\"event\":\"installation\",\"thousandths\":");
  text_add_integer(&line, installed_);
  text_add(&line, "}\n");
  tellWatchers(line);
}

void MachineHost::tellWatchers(const text &line) {
  for (int client = 0; client < MAX_CLIENTS; client++) {
    if (watches_[client]) control_tell(&control_, client, line.bytes, line.length);
  }
}

void MachineHost::addExit(text *out) const {
  if (phase_ != Phase::ended) {
    text_add(out, "null");
    return;
  }
  text_add(out, "{\"code\":");
  text_add(out, end_.ok ? "0" : end_.failed ? "1" : "null");
  text_add(out, ",\"signal\":null,\"reason\":");
  text_add_json(out, end_.reason.c_str());
  text_add(out, ",\"message\":");
  text_add_json(out, end_.message.c_str());
  if (end_.ok) text_add(out, ",\"guest\":\"powered-off\"");
  text_add(out, "}");
}

void MachineHost::addStatus(text *out) const {
  static const char *const phases[] = {"starting", "running", "exited"};
  static const char *const owners[] = {"\"launcher\"", "\"connection\"", "null"};
  text_add(out, "{\"version\":1,\"state\":");
  text_add_json(out, phases[(int)phase_]);
  text_add(out, ",\"pid\":");
  text_add_integer(out, pid_);
  text_add(out, ",\"startTime\":");
  text_add_json(out, startTime_);
  /* The machine runs in this very process, as far as one can see. */
  text_add(out, ",\"main\":{\"name\":\"vz-host\",\"pid\":");
  text_add_integer(out, pid_);
  text_add(out, ",\"startTime\":");
  text_add_json(out, startTime_);
  text_add(out, "},\"helpers\":[],\"machine\":");
  text_add_json(out, vz::nameOf(state_));
  if (installed_ >= 0) {
    text_add(out, ",\"installation\":");
    text_add_integer(out, installed_);
  }
  text_add(out, ",\"owner\":");
  text_add(out, owners[(int)owner_]);
  text_add(out, ",\"onOwnerExit\":");
  text_add_json(out, configuration_.keepOnOwnerExit ? "keep" : "stop");
  text_add(out, ",\"exit\":");
  addExit(out);
  text_add(out, ",\"startedAt\":");
  text_add_json(out, startedAt_);
  text_add(out, ",\"endedAt\":");
  text_add_json(out, endedAt_[0] == '\0' ? nullptr : endedAt_);
  text_add(out, "}");
}

bool MachineHost::writeStatus(std::string &why) const {
  static char bytes[MAX_STATUS_BYTES];
  text line{bytes, 0, sizeof bytes, false};
  addStatus(&line);
  text_add(&line, "\n");
  const std::string &path = configuration_.statusFile;
  std::string temporary = path + "." + std::to_string(pid_);
  unlink(temporary.c_str());
  int file = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  bool written = file >= 0 && write(file, line.bytes, line.length) == (ssize_t)line.length && fsync(file) == 0;
  int error = errno;
  if (file >= 0) close(file);
  if (written && rename(temporary.c_str(), path.c_str()) == 0) return true;
  if (written) error = errno;
  unlink(temporary.c_str());
  why = "statusFile: cannot write " + path + ": " + strerror(error);
  return false;
}

/* Leaves the status file and the logs, nothing else. */
int MachineHost::finish(bool started) {
  static char bytes[MAX_STATUS_BYTES];
  text event{bytes, 0, sizeof bytes, false};
  std::string why;
  phase_ = Phase::ended;
  owner_ = Owner::none;
  timestamp(endedAt_);
  bool written = writeStatus(why);
  if (!written) fprintf(stderr, "vz-host: %s\n", why.c_str());
  control_close_listener(&control_);
  vsock_.reset();
  if (!configuration_.runDirectory.empty()) remove_run_directory(configuration_.runDirectory.c_str());
  text_add(&event, "{\"event\":\"exited\",\"exit\":");
  addExit(&event);
  text_add(&event, "}\n");
  control_finish(&control_, event.bytes, event.length);
  if (!started) report(false);
  return started && written ? 0 : 1;
}

int MachineHost::run() {
  const control_handler handler{
      this,
      [](void *context, int client, const json_value *request, text *out) {
        static_cast<MachineHost *>(context)->answer(client, request, out);
      },
      [](void *context, int client) {
        auto *host = static_cast<MachineHost *>(context);
        host->watches_[client] = false;
        if (host->owner_ == Owner::client && host->ownerClient_ == client) host->ownerGone();
      },
  };
  failure refused{};
  if (!control_open(&control_, configuration_.controlSocket.c_str(), handler, &refused)) {
    /* Whoever has the socket may also have the status file and the run directory: they are not ours to touch. */
    setEnd("start-failed", refused.message);
    report(false);
    return 1;
  }
  std::string why;
  if (openAll(why)) {
    startMachine();
    while (phase_ == Phase::starting && end_.reason.empty()) step(-1);
  } else {
    setEnd("start-failed", why);
  }
  bool started = phase_ == Phase::running;
  if (started && !writeStatus(why)) {
    setEnd("start-failed", why);
    started = false;
  }
  if (started) {
    report(true);
    while (!machineGone_) step(-1);
  }
  dismantle();
  return finish(started);
}

/* Waits for an operation: while a machine changes its state nothing else is of use to anybody. */
vz::Outcome MachineHost::wait(const std::function<void(vz::Done)> &operation) {
  struct Result {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<vz::Outcome> outcome;
  };
  auto result = std::make_shared<Result>();
  operation([result](vz::Outcome outcome) {
    std::lock_guard<std::mutex> lock(result->mutex);
    result->outcome = outcome;
    result->changed.notify_all();
  });
  std::unique_lock<std::mutex> lock(result->mutex);
  auto told = [&] { return result->outcome.has_value(); };
  if (result->changed.wait_for(lock, std::chrono::milliseconds(OPERATION_MS), told)) return *result->outcome;
  return vz::Failure{"vz-host", 0, "the machine did not answer in time"};
}
