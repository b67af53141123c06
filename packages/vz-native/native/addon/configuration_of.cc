#include "configuration_of.h"

#include <cmath>

static const double MAX_SAFE_INTEGER = 9007199254740991.0;

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

vz::MachineConfiguration configurationOf(const Napi::Object &object) {
  return {
      .kernel = path(object, "kernel"),
      .initramfs = path(object, "initramfs"),
      .commandLine = text(object, "commandLine"),
      .cpus = positive(object, "cpus"),
      .memoryBytes = positive(object, "memoryBytes"),
      .shares = items<vz::Share>(object, "shares", share),
      .disks = items<vz::Disk>(object, "disks", disk),
      .network = network(object),
      .rosetta = !at(object, "rosetta").IsUndefined() && flag(object, "rosetta"),
      .console = -1,
  };
}
