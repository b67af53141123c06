/*
 * Starts and stops machines, one after the other, and calls guests that do not listen yet: leak-check KERNEL COUNT.
 * Fails if an object of the framework, a descriptor or a process is left, or if an answer comes twice or never.
 */
#import <Foundation/Foundation.h>
#import <Virtualization/Virtualization.h>

#include <dirent.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <future>

#include "machine.h"

static int descriptors() {
  int count = 0;
  DIR *directory = opendir("/proc/self/fd");
  while (readdir(directory) != nullptr) count++;
  closedir(directory);
  return count;
}

static void check(bool right, const char *what) {
  if (right) return;
  fprintf(stderr, "leak-check: %s\n", what);
  exit(1);
}

/* Waits for the one answer of an operation. */
static vz::Outcome answer(const std::function<void(vz::Done)> &operation) {
  auto promise = std::make_shared<std::promise<vz::Outcome>>();
  auto answers = std::make_shared<std::atomic<int>>(0);
  auto future = promise->get_future();
  operation([promise, answers](vz::Outcome outcome) {
    check((*answers)++ == 0, "an operation was answered twice");
    promise->set_value(outcome);
  });
  check(future.wait_for(std::chrono::seconds(60)) == std::future_status::ready, "an operation was not answered");
  return future.get();
}

static void runOne(const char *kernel, int console, int round) {
  vz::MachineConfiguration configuration{
      .guest = vz::LinuxGuest{.kernel = kernel, .initramfs = kernel, .commandLine = "quiet", .rosetta = false},
      .cpus = 1, .memoryBytes = 128 << 20, .shares = {}, .disks = {}, .network = vz::Network{}, .console = console};
  vz::Machine machine(configuration, {.state = nullptr, .ended = nullptr, .called = nullptr});
  vz::Outcome early = answer([&](vz::Done done) { machine.pause(done); });
  check(early.has_value(), "a machine that was not made can be paused");
  check(!answer([&](vz::Done done) { machine.start({1025}, done); }), "a machine does not start");
  check(answer([&](vz::Done done) { machine.start({}, done); })->code == VZErrorInvalidVirtualMachineStateTransition,
        "a machine starts twice");
  vz::Outcome refused = answer([&](vz::Done done) {
    machine.connect(1024, [done](int descriptor, vz::Outcome outcome) {
      check(descriptor < 0, "a guest that does not run yet takes a call");
      done(outcome);
    });
  });
  check(refused.has_value(), "a call to nobody did not fail");
  /* Every second machine is let go of while it runs. */
  if (round % 2 == 0) check(!answer([&](vz::Done done) { machine.stop(done); }), "a machine does not stop");
  answer([&](vz::Done done) { machine.close([done] { done(std::nullopt); }); });
}

static bool noMachineLeft() {
  int status;
  while (waitpid(-1, &status, WNOHANG) > 0) continue;
  return VZDoubleLiveObjects() == 0 && waitpid(-1, &status, WNOHANG) < 0 && errno == ECHILD;
}

static bool nothingLeft(int before) { return noMachineLeft() && descriptors() <= before; }

/* What stays open when the last machine is gone. Queues close descriptors a moment later, so it has to hold a while. */
static int settledDescriptors() {
  int count = descriptors();
  for (int same = 0, waited = 0; same < 10 && waited < 200; waited++) {
    usleep(50'000);
    int now = descriptors();
    same = now == count && noMachineLeft() ? same + 1 : 0;
    count = now;
  }
  return count;
}

int main(int count, char **arguments) {
  check(count == 3, "usage: leak-check KERNEL COUNT");
  int console = open("/dev/null", O_WRONLY | O_CLOEXEC);
  int rounds = atoi(arguments[2]);
  runOne(arguments[1], console, 0); /* what the libraries keep for ever comes now */
  int before = settledDescriptors();
  for (int round = 1; round < rounds; round++) {
    @autoreleasepool {
      runOne(arguments[1], console, round);
    }
  }
  for (int i = 0; i < 200 && !nothingLeft(before); i++) usleep(50'000);
  fprintf(stderr, "%d machines, %ld objects, %d descriptors more\n", rounds, VZDoubleLiveObjects(),
          descriptors() - before);
  check(nothingLeft(before), "something is left");
  _exit(0);
}
