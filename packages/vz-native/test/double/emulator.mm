#include "emulator.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "emulator_configuration.h"
#include "unix_stream.h"

static std::string makeRunDirectory() {
  const char *base = getenv("TMPDIR");
  std::string path = std::string(base == nullptr ? "/tmp" : base) + "/vz-double-XXXXXX";
  return mkdtemp(path.data()) == nullptr ? "" : path;
}

static NSDictionary *parse(const std::string &line) {
  NSData *data = [NSData dataWithBytes:line.data() length:line.size()];
  id value = [NSJSONSerialization JSONObjectWithData:data options:0 error:NULL];
  return [value isKindOfClass:[NSDictionary class]] ? value : nil;
}

Emulator::Emulator(VZVirtualMachineConfiguration *configuration) : directory_(makeRunDirectory()) {
  vsock_ = directory_ + "/vsock.sock";
  configuration_ = emulatorConfiguration(configuration, directory_);
}

Emulator::~Emulator() {
  if (lifeline_ >= 0) close(lifeline_);
}

std::shared_ptr<Emulator> Emulator::start(VZVirtualMachineConfiguration *configuration, std::function<void()> started,
                                          std::function<void(End)> ended) {
  std::shared_ptr<Emulator> emulator(new Emulator(configuration));
  std::thread([emulator, started, ended] {
    GSRegisterCurrentThread();
    @autoreleasepool {
      emulator->run(started, ended);
    }
    GSUnregisterCurrentThread();
  }).detach();
  return emulator;
}

bool Emulator::spawnHost(std::string &why) {
  std::string file = directory_ + "/host-config.json";
  std::ofstream(file) << configuration_;
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    why = "socketpair failed";
    return false;
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 3);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  const char *arguments[] = {ZLAYER_HOST_PROGRAM, file.c_str(), nullptr};
  int failed = posix_spawn(&host_, ZLAYER_HOST_PROGRAM, &actions, &attributes, (char **)arguments, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  lifeline_ = ends[0];
  if (failed != 0) {
    host_ = -1;
    why = "zlayer-host cannot be started";
  }
  return failed == 0;
}

/* Until the host has ended. */
void Emulator::run(std::function<void()> started, std::function<void(End)> ended) {
  std::string line;
  End end{false, "the machine was lost"};
  bool ready = spawnHost(end.message);
  if (unwanted_ && lifeline_ >= 0) shutdown(lifeline_, SHUT_RDWR);
  ready = ready && readLine(lifeline_, line);
  if (ready && ![[parse(line) objectForKey:@"ready"] boolValue]) {
    end.message = [[[parse(line) objectForKey:@"error"] description] UTF8String];
    ready = false;
  }
  int control = ready ? connectUnix(directory_ + "/control.sock") : -1;
  if (ready) started();
  while (control >= 0 && readLine(control, line)) {
    NSDictionary *exit = [parse(line) objectForKey:@"exit"];
    if (exit == nil) continue;
    id code = [exit objectForKey:@"code"];
    end.orderly = [code isKindOfClass:[NSNumber class]] && [code intValue] == 0;
    end.message = [[[exit objectForKey:@"message"] description] UTF8String];
  }
  if (control >= 0) close(control);
  /* The host closes its end last of all. */
  while (lifeline_ >= 0 && readLine(lifeline_, line)) continue;
  while (host_ > 0 && waitpid(host_, NULL, 0) < 0 && errno == EINTR) continue;
  ended(end);
}

bool Emulator::request(const std::string &text) {
  int control = connectUnix(directory_ + "/control.sock");
  std::string line;
  bool agreed = control >= 0 && writeAll(control, text + "\n") && readLine(control, line) &&
                line.find("\"ok\":true") != std::string::npos;
  if (control >= 0) close(control);
  return agreed;
}

/* A host that is just being started finds that nobody wants it. */
void Emulator::kill() {
  unwanted_ = true;
  if (!request("{\"op\":\"stop\",\"graceMs\":0}") && lifeline_ >= 0) shutdown(lifeline_, SHUT_RDWR);
}

bool Emulator::suspend(bool on) {
  return request("{\"op\":\"signal\",\"signum\":" + std::to_string(on ? SIGSTOP : SIGCONT) + "}");
}

bool Emulator::command(const std::string &qmp) {
  int monitor = connectUnix(directory_ + "/qmp.sock");
  std::string line;
  bool done = monitor >= 0 && readLine(monitor, line) &&
              writeAll(monitor, "{\"execute\":\"qmp_capabilities\"}\n" + qmp + "\n");
  for (int answers = 0; done && answers < 2;) {
    done = readLine(monitor, line) && line.find("\"error\"") == std::string::npos;
    if (line.find("\"return\"") != std::string::npos) answers++;
  }
  if (monitor >= 0) close(monitor);
  return done;
}
