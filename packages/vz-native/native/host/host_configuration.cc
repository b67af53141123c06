#include "host_configuration.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "host_c.h"

namespace {

enum { MAX_DEVICES = 64, MAX_LISTENED_PORTS = 32, MAX_TAG_BYTES = 35, MAX_SERIAL_BYTES = 20, MAX_MAC_BYTES = 17 };
enum { MAX_MAC_DATA_BYTES = 8192, MAX_PIXELS = 32768 };
constexpr int64_t MAX_MEMORY_BYTES = INT64_C(1) << 48;
constexpr int64_t MIN_CONSOLE_BYTES = 4096;
constexpr int64_t MAX_CONSOLE_BYTES = 1024 * 1024 * 1024;

/* A value of the file, and where it stands there. */
struct Value {
  const json_value *value;
  std::string place;

  [[noreturn]] void refuse(const std::string &why) const { throw ConfigurationError(place + ": " + why); }

  std::string string(size_t longest) const {
    if (value->type != JSON_STRING) refuse("must be a string");
    if (strlen(value->string) > longest) refuse("longer than " + std::to_string(longest) + " bytes");
    return value->string;
  }
  std::string path(size_t longest = MAX_PATH_BYTES) const {
    std::string text = string(longest);
    if (text.empty() || text[0] != '/') refuse("must be an absolute path");
    return text;
  }
  int64_t integer(int64_t least, int64_t most) const {
    if (value->type != JSON_INTEGER || value->integer < least || value->integer > most) {
      refuse("must be an integer from " + std::to_string(least) + " to " + std::to_string(most));
    }
    return value->integer;
  }
  bool boolean() const {
    if (value->type != JSON_TRUE && value->type != JSON_FALSE) refuse("must be true or false");
    return value->type == JSON_TRUE;
  }
  bool isNull() const { return value->type == JSON_NULL; }

  template <typename Make>
  auto array(size_t most, Make make) const {
    if (value->type != JSON_ARRAY) refuse("must be an array");
    std::vector<decltype(make(*this))> made;
    for (const json_value *at = value->first; at != nullptr; at = at->next) {
      if (made.size() == most) refuse("has more than " + std::to_string(most) + " elements");
      made.push_back(make(Value{at, place + "[" + std::to_string(made.size()) + "]"}));
    }
    return made;
  }
};

/* An object that has exactly these keys. */
class Members {
 public:
  Members(const Value &object, std::vector<const char *> keys) : object_(object) {
    if (object.value->type != JSON_OBJECT) object.refuse("must be an object");
    for (const json_value *at = object.value->first; at != nullptr; at = at->next) {
      bool known = false;
      for (const char *key : keys) known = known || strcmp(key, at->key) == 0;
      if (!known) named(at->key, at).refuse("unknown key");
    }
    for (const char *key : keys) (*this)[key];
  }
  Value operator[](const char *key) const {
    for (const json_value *at = object_.value->first; at != nullptr; at = at->next) {
      if (strcmp(at->key, key) == 0) return named(key, at);
    }
    named(key, nullptr).refuse("missing");
  }

 private:
  Value named(const char *key, const json_value *value) const {
    return {value, object_.place == "configuration" ? key : object_.place + "." + key};
  }
  Value object_;
};

vz::Share share(const Value &value) {
  Members members(value, {"tag", "path", "readOnly"});
  return {members["tag"].string(MAX_TAG_BYTES), members["path"].path(), members["readOnly"].boolean()};
}

vz::DiskCache cache(const Value &value) {
  std::string word = value.string(MAX_NAME_BYTES);
  if (word == "cached") return vz::DiskCache::cached;
  if (word == "direct") return vz::DiskCache::direct;
  if (word == "unsafe") return vz::DiskCache::unsafe;
  value.refuse("must be \"cached\", \"direct\" or \"unsafe\"");
}

vz::Disk disk(const Value &value) {
  Members members(value, {"path", "readOnly", "serial", "cache"});
  return {members["path"].path(), members["readOnly"].boolean(), members["serial"].string(MAX_SERIAL_BYTES),
          cache(members["cache"])};
}

std::optional<vz::Network> network(const Value &value) {
  if (value.isNull()) return std::nullopt;
  Members members(value, {"mac"});
  if (members["mac"].isNull()) return vz::Network{std::nullopt};
  return vz::Network{members["mac"].string(MAX_MAC_BYTES)};
}

std::string pathOrNone(const Value &value) { return value.isNull() ? "" : value.path(); }

vz::Display display(const Value &value) {
  Members members(value, {"width", "height", "pixelsPerInch"});
  return {members["width"].integer(1, MAX_PIXELS), members["height"].integer(1, MAX_PIXELS),
          members["pixelsPerInch"].integer(1, MAX_PIXELS)};
}

vz::MacGuest macGuest(const Value &value, std::string &restoreImage) {
  Members members(value, {"hardwareModel", "machineIdentifier", "auxiliaryStorage", "display", "restoreImage"});
  restoreImage = pathOrNone(members["restoreImage"]);
  return {members["hardwareModel"].string(MAX_MAC_DATA_BYTES), members["machineIdentifier"].string(MAX_MAC_DATA_BYTES),
          members["auxiliaryStorage"].path(), display(members["display"])};
}

bool has(const Value &object, const char *key) {
  if (object.value->type != JSON_OBJECT) return false;
  const json_value *at = object.value->first;
  while (at != nullptr && strcmp(at->key, key) != 0) at = at->next;
  return at != nullptr;
}

void takeMachine(const Value &value, HostConfiguration &out) {
  bool isMac = has(value, "macos");
  std::vector<const char *> keys = {"cpus",        "memoryBytes",  "shares",      "disks",  "network",
                                    "consoleFile", "consoleBytes", "vsockSocket", "listen", "savedState"};
  for (const char *key : {"kernel", "initramfs", "commandLine", "rosetta"}) {
    if (!isMac) keys.push_back(key);
  }
  if (isMac) keys.push_back("macos");
  Members members(value, keys);
  if (isMac) {
    out.machine.guest = macGuest(members["macos"], out.restoreImage);
  } else {
    out.machine.guest = vz::LinuxGuest{
        .kernel = members["kernel"].path(),
        .initramfs = members["initramfs"].path(),
        .commandLine = members["commandLine"].string(MAX_ARGUMENT_BYTES),
        .rosetta = members["rosetta"].boolean(),
    };
  }
  out.machine.cpus = (uint64_t)members["cpus"].integer(1, 1024);
  out.machine.memoryBytes = (uint64_t)members["memoryBytes"].integer(1, MAX_MEMORY_BYTES);
  out.machine.shares = members["shares"].array(MAX_DEVICES, share);
  out.machine.disks = members["disks"].array(MAX_DEVICES, disk);
  out.machine.network = network(members["network"]);
  out.machine.console = -1;
  out.consoleFile = members["consoleFile"].path();
  out.consoleBytes = members["consoleBytes"].integer(MIN_CONSOLE_BYTES, MAX_CONSOLE_BYTES);
  /* Room for an underscore and the number of a port. */
  out.vsockSocket = members["vsockSocket"].path(MAX_SOCKET_PATH_BYTES - 11);
  out.listen = members["listen"].array(MAX_LISTENED_PORTS,
                                       [](const Value &port) { return (uint32_t)port.integer(1, UINT32_MAX - 1); });
  out.savedState = pathOrNone(members["savedState"]);
  if (!out.savedState.empty() && !out.restoreImage.empty()) {
    members["savedState"].refuse("a machine that macOS is installed on has none");
  }
}

HostConfiguration take(const Value &root) {
  Members members(root, {"version", "statusFile", "controlSocket", "onOwnerExit", "stopGraceMs", "startTimeoutMs",
                         "runDirectory", "machine"});
  HostConfiguration out{};
  members["version"].integer(1, 1);
  out.statusFile = members["statusFile"].path();
  out.controlSocket = members["controlSocket"].path(MAX_SOCKET_PATH_BYTES);
  std::string policy = members["onOwnerExit"].string(MAX_NAME_BYTES);
  if (policy != "keep" && policy != "stop") members["onOwnerExit"].refuse("must be \"stop\" or \"keep\"");
  out.keepOnOwnerExit = policy == "keep";
  out.stopGraceMs = members["stopGraceMs"].integer(0, MAX_DURATION_MS);
  out.startTimeoutMs = members["startTimeoutMs"].integer(1, MAX_DURATION_MS);
  if (!members["runDirectory"].isNull()) out.runDirectory = members["runDirectory"].path();
  takeMachine(members["machine"], out);
  return out;
}

std::string readWhole(const char *path) {
  std::unique_ptr<FILE, int (*)(FILE *)> file(fopen(path, "re"), fclose);
  if (!file) throw ConfigurationError(std::string(path) + ": " + strerror(errno));
  std::string bytes(MAX_CONFIG_BYTES + 1, '\0');
  bytes.resize(fread(bytes.data(), 1, bytes.size(), file.get()));
  if (ferror(file.get()) != 0) throw ConfigurationError(std::string(path) + " cannot be read");
  if (bytes.size() > MAX_CONFIG_BYTES) throw ConfigurationError(std::string(path) + ": too long");
  return bytes;
}

struct Document : json_document {
  Document() : json_document{} {}
  ~Document() { json_free(this); }
};

}  // namespace

HostConfiguration loadConfiguration(const char *path) {
  std::string bytes = readWhole(path);
  Document document;
  const json_value *root = json_read(&document, bytes.data(), bytes.size());
  if (root != nullptr) return take({root, "configuration"});
  throw ConfigurationError(std::string("configuration is not valid JSON: ") + document.error + " at byte " +
                           std::to_string(document.error_at));
}
