#include "mac_command.h"

#include <cstdio>
#include <cstring>
#include <future>

#include "host_c.h"
#include "mac_guest.h"

enum { EXIT_REFUSED = 1, EXIT_USAGE = 2 };

namespace {

/* A line of JSON on the way. */
struct Line {
  char bytes[MAX_STATUS_BYTES];
  text line{bytes, 0, sizeof bytes, false};

  void add(const char *key, const std::string &value) {
    begin(key);
    text_add_json(&line, value.c_str());
  }
  void add(const char *key, int64_t value) {
    begin(key);
    text_add_integer(&line, value);
  }
  void add(const char *key, bool value) {
    begin(key);
    text_add(&line, value ? "true" : "false");
  }
  int print(int code) {
    text_add(&line, line.length == 0 ? "{}\n" : "}\n");
    return fwrite(line.bytes, 1, line.length, stdout) == line.length && fflush(stdout) == 0 ? code : EXIT_REFUSED;
  }

 private:
  void begin(const char *key) {
    text_add(&line, line.length == 0 ? "{" : ",");
    text_add_json(&line, key);
    text_add(&line, ":");
  }
};

int refused(const vz::Failure &failure) {
  Line line;
  line.add("error", failure.message);
  return line.print(EXIT_REFUSED);
}

int printImage(const std::function<void(vz::RestoreImageDone)> &question) {
  std::promise<std::pair<vz::RestoreImage, vz::Outcome>> promise;
  question([&promise](vz::RestoreImage image, vz::Outcome how) { promise.set_value({image, how}); });
  auto [image, how] = promise.get_future().get();
  if (how) return refused(*how);
  Line line;
  line.add("url", image.url);
  line.add("version", image.version);
  line.add("build", image.build);
  line.add("supported", image.supported);
  line.add("hardwareModel", image.hardwareModel);
  line.add("minCpus", (int64_t)image.minCpus);
  line.add("minMemoryBytes", (int64_t)image.minMemoryBytes);
  return line.print(0);
}

}  // namespace

int macCommand(int count, char **arguments) {
  std::string name = arguments[0];
  if (name == "machine-identifier" && count == 1) {
    std::string identifier = vz::newMachineIdentifier();
    if (identifier.empty()) return refused({"vz-host", 0, "guests that run macOS are for Macs with Apple silicon"});
    Line line;
    line.add("machineIdentifier", identifier);
    return line.print(0);
  }
  if (name == "hardware-model" && count == 2) {
    Line line;
    line.add("hardwareModel", std::string(vz::nameOf(vz::checkHardwareModel(arguments[1]))));
    return line.print(0);
  }
  if (name == "create-auxiliary-storage" && count == 3) {
    if (vz::Outcome how = vz::createAuxiliaryStorage(arguments[1], arguments[2])) return refused(*how);
    return Line().print(0);
  }
  if (name == "restore-image" && count == 2) {
    return printImage([&](vz::RestoreImageDone done) { vz::loadRestoreImage(arguments[1], done); });
  }
  if (name == "latest-restore-image" && count == 1) return printImage(vz::findLatestRestoreImage);
  fprintf(stderr, "usage: vz-host --mac machine-identifier | hardware-model BASE64 | "
                  "create-auxiliary-storage PATH BASE64 | restore-image PATH | latest-restore-image\n");
  return EXIT_USAGE;
}
