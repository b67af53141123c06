#include "configuration_of.h"

#include <cmath>

static const double MAX_SAFE_INTEGER = 9007199254740991.0;
enum { MAX_PIXELS = 32768 };

static Napi::Value at(const Napi::Object &object, const char *key) { return object.Get(key); }

static Napi::Error wrong(const Napi::Object &object, const char *key, const char *what) {
  return Napi::TypeError::New(object.Env(), std::string(key) + ": must be " + what);
}

static std::string text(const Napi::Object &object, const char *key) {
  Napi::Value value = at(object, key);
  if (!value.IsString()) throw wrong(object, key, "a string");
  std::string string = value.As<Napi::String>().Utf8Value();
  if (string.find('\0') != std::string::npos) throw wrong(object, key, "without a zero byte");
  return string;
}

static std::string path(const Napi::Object &object, const char *key) {
  std::string string = text(object, key);
  if (string.empty() || string[0] != '/') throw wrong(object, key, "an absolute path");
  return string;
}

static bool flag(const Napi::Object &object, const char *key) {
  Napi::Value value = at(object, key);
  if (!value.IsBoolean()) throw wrong(object, key, "true or false");
  return value.As<Napi::Boolean>();
}

static uint64_t positive(const Napi::Object &object, const char *key) {
  Napi::Value value = at(object, key);
  double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : 0;
  if (!(number >= 1 && number <= MAX_SAFE_INTEGER && std::floor(number) == number)) {
    throw wrong(object, key, "a positive integer");
  }
  return static_cast<uint64_t>(number);
}

static vz::DiskCache cache(const Napi::Object &object) {
  std::string name = text(object, "cache");
  if (name == "cached") return vz::DiskCache::cached;
  if (name == "direct") return vz::DiskCache::direct;
  if (name == "unsafe") return vz::DiskCache::unsafe;
  throw wrong(object, "cache", "cached, direct or unsafe");
}

template <typename Item>
static std::vector<Item> items(const Napi::Object &object, const char *key, Item (*of)(const Napi::Object &)) {
  Napi::Value value = at(object, key);
  if (!value.IsArray()) throw wrong(object, key, "an array");
  Napi::Array array = value.As<Napi::Array>();
  std::vector<Item> all;
  for (uint32_t index = 0; index < array.Length(); index++) {
    Napi::Value item = array.Get(index);
    if (!item.IsObject()) throw wrong(object, key, "an array of objects");
    all.push_back(of(item.As<Napi::Object>()));
  }
  return all;
}

static std::optional<vz::Network> network(const Napi::Object &object) {
  Napi::Value value = at(object, "network");
  if (value.IsNull()) return std::nullopt;
  if (!value.IsObject()) throw wrong(object, "network", "null or an object");
  Napi::Object found = value.As<Napi::Object>();
  if (at(found, "mac").IsNull()) return vz::Network{std::nullopt};
  return vz::Network{text(found, "mac")};
}

static vz::Share share(const Napi::Object &object) {
  return {text(object, "tag"), path(object, "path"), flag(object, "readOnly")};
}

static vz::Disk disk(const Napi::Object &object) {
  return {path(object, "path"), flag(object, "readOnly"), text(object, "serial"), cache(object)};
}

static int64_t pixels(const Napi::Object &object, const char *key) {
  uint64_t number = positive(object, key);
  if (number > MAX_PIXELS) throw wrong(object, key, "at most 32768");
  return static_cast<int64_t>(number);
}

static vz::LinuxGuest linuxGuest(const Napi::Object &object) {
  return {
      .kernel = path(object, "kernel"),
      .initramfs = path(object, "initramfs"),
      .commandLine = text(object, "commandLine"),
      .rosetta = !at(object, "rosetta").IsUndefined() && flag(object, "rosetta"),
  };
}

static vz::MacGuest macGuest(const Napi::Object &object) {
  Napi::Value value = at(object, "display");
  if (!value.IsObject()) throw wrong(object, "display", "an object");
  Napi::Object display = value.As<Napi::Object>();
  return {
      .hardwareModel = text(object, "hardwareModel"),
      .machineIdentifier = text(object, "machineIdentifier"),
      .auxiliaryStorage = path(object, "auxiliaryStorage"),
      .display = {pixels(display, "width"), pixels(display, "height"), pixels(display, "pixelsPerInch")},
  };
}

static std::variant<vz::LinuxGuest, vz::MacGuest> guest(const Napi::Object &object) {
  Napi::Value mac = at(object, "macos");
  if (mac.IsUndefined()) return linuxGuest(object);
  if (!mac.IsObject()) throw wrong(object, "macos", "an object");
  return macGuest(mac.As<Napi::Object>());
}

vz::MachineConfiguration configurationOf(const Napi::Object &object) {
  return {
      .guest = guest(object),
      .cpus = positive(object, "cpus"),
      .memoryBytes = positive(object, "memoryBytes"),
      .shares = items<vz::Share>(object, "shares", share),
      .disks = items<vz::Disk>(object, "disks", disk),
      .network = network(object),
      .console = -1,
  };
}
