/* The operations of the control socket. */
#include <cstring>

#include "machine_host.h"

namespace {

constexpr int64_t MAX_BYTES = INT64_C(1) << 48;

void refuse(text *out, const char *why) {
  text_add(out, "{\"ok\":false,\"error\":");
  text_add_json(out, why);
  text_add(out, "}");
}

void answerOutcome(text *out, const vz::Outcome &outcome) {
  if (outcome) refuse(out, outcome->message.c_str());
  else text_add(out, "{\"ok\":true}");
}

const json_value *member(const json_value *object, const char *key) {
  const json_value *at = object->first;
  while (at != nullptr && strcmp(at->key, key) != 0) at = at->next;
  return at;
}

bool onlyKey(const json_value *request, const char *key) {
  for (const json_value *at = request->first; at != nullptr; at = at->next) {
    if (strcmp(at->key, "op") != 0 && (key == nullptr || strcmp(at->key, key) != 0)) return false;
  }
  return true;
}

bool within(const json_value *value, int64_t least, int64_t most) {
  return value != nullptr && value->type == JSON_INTEGER && value->integer >= least && value->integer <= most;
}

struct Operation {
  const char *name;
  const char *key; /* the one that it may have beside "op"; NULL: none */
};

constexpr Operation OPERATIONS[] = {
    {"status", nullptr}, {"stop", "graceMs"},   {"own", "onOwnerExit"}, {"pause", nullptr}, {"resume", nullptr},
    {"requestStop", nullptr}, {"balloon", "bytes"}, {"save", "path"}, {"listen", "port"},  {"stopListening", "port"},
    {"watch", nullptr},
};

}  // namespace

void MachineHost::answer(int client, const json_value *request, text *out) {
  const json_value *op = request->type == JSON_OBJECT ? member(request, "op") : nullptr;
  std::string name = op != nullptr && op->type == JSON_STRING ? op->string : "";
  const Operation *operation = nullptr;
  for (const Operation &candidate : OPERATIONS) {
    if (name == candidate.name) operation = &candidate;
  }
  if (operation == nullptr) {
    return refuse(out, "op: must be status, watch, stop, own, pause, resume, requestStop, balloon, save, listen or stopListening");
  }
  if (!onlyKey(request, operation->key)) return refuse(out, "the request has an unknown key");
  const json_value *value = operation->key == nullptr ? nullptr : member(request, operation->key);

  if (name == "status") {
    text_add(out, "{\"ok\":true,\"status\":");
    addStatus(out);
    return text_add(out, "}");
  }
  if (name == "watch") {
    watches_[client] = true;
    text_add(out, "{\"ok\":true,\"machine\":");
    text_add_json(out, vz::nameOf(state_));
    return text_add(out, "}");
  }
  if (name == "stop") {
    if (value != nullptr && !within(value, 0, MAX_DURATION_MS)) {
      return refuse(out, "graceMs: must be a number of milliseconds, at most a day");
    }
    stop("stopped", "stopped on request", value == nullptr ? configuration_.stopGraceMs : value->integer);
    return answerOutcome(out, std::nullopt);
  }
  if (name == "own") {
    std::string word = value != nullptr && value->type == JSON_STRING ? value->string : "";
    if (value != nullptr && word != "keep" && word != "stop") {
      return refuse(out, "onOwnerExit: must be \"stop\" or \"keep\"");
    }
    if (owner_ == Owner::client && ownerClient_ != client) return refuse(out, "another connection is the owner");
    owner_ = Owner::client;
    ownerClient_ = client;
    if (value != nullptr) configuration_.keepOnOwnerExit = word == "keep";
    return answerOutcome(out, std::nullopt);
  }
  if (phase_ != Phase::running || machineGone_) return refuse(out, "the machine is not running");
  if (name == "pause") {
    return answerOutcome(out, wait([this](vz::Done done) { machine_->pause(done); }));
  }
  if (name == "resume") {
    return answerOutcome(out, wait([this](vz::Done done) { machine_->resume(done); }));
  }
  if (name == "requestStop") {
    return answerOutcome(out, wait([this](vz::Done done) { machine_->requestStop(done); }));
  }
  if (name == "balloon") {
    if (!within(value, 1, MAX_BYTES)) return refuse(out, "bytes: must be a number of bytes");
    uint64_t bytes = (uint64_t)value->integer;
    return answerOutcome(out, wait([this, bytes](vz::Done done) { machine_->setMemoryTarget(bytes, done); }));
  }
  if (name == "save") {
    if (value == nullptr || value->type != JSON_STRING || value->string[0] != '/') {
      return refuse(out, "path: must be an absolute path");
    }
    return answerOutcome(out, wait([this, value](vz::Done done) { machine_->save(value->string, done); }));
  }
  if (!within(value, 1, UINT32_MAX - 1)) return refuse(out, "port: must be the number of a vsock port");
  uint32_t port = (uint32_t)value->integer;
  answerOutcome(out, wait([this, port, &name](vz::Done done) {
                  if (name == "listen") machine_->listen(port, done);
                  else machine_->stopListening(port, done);
                }));
}
