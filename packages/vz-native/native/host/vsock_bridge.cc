#include "vsock_bridge.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "host_c.h"

enum { BACKLOG = 4096, BLOCK = 64 * 1024, MAX_CALL_BYTES = 32 };
static constexpr size_t NO_SLOT = SIZE_MAX;

VsockBridge::VsockBridge(std::string path, Dial dial) : path_(std::move(path)), dial_(std::move(dial)) {}

VsockBridge::~VsockBridge() {
  close();
  for (auto &caller : callers_) ::close(caller.descriptor);
  for (auto &stream : streams_) {
    ::close(stream.descriptors[0]);
    ::close(stream.descriptors[1]);
  }
}

void VsockBridge::open() {
  sockaddr_un address = socket_address(path_.c_str());
  listener_ = socket(AF_UNIX, SOCK_STREAM, 0);
  /* Whoever has the control socket, has this one: a killed host left it behind. */
  unlink(path_.c_str());
  mode_t mask = umask(0177);
  bool bound = listener_ >= 0 && bind(listener_, (const sockaddr *)&address, sizeof address) == 0;
  int error = errno;
  umask(mask);
  if (bound && set_private(listener_) && listen(listener_, BACKLOG) == 0) return;
  throw std::runtime_error("vsockSocket: cannot create " + path_ + ": " + strerror(bound ? errno : error));
}

void VsockBridge::close() {
  if (listener_ < 0) return;
  unlink(path_.c_str());
  ::close(listener_);
  listener_ = -1;
}

void VsockBridge::accept() {
  for (;;) {
    int descriptor = ::accept(listener_, nullptr, nullptr);
    if (descriptor >= 0 && set_private(descriptor)) {
      callers_.push_back({descriptor, "", false, NO_SLOT});
    } else if (descriptor >= 0) {
      ::close(descriptor);
    } else if (errno != EINTR && errno != ECONNABORTED) {
      full_ = errno != EAGAIN && errno != EWOULDBLOCK;
      return;
    }
  }
}

/* The port of a call, or 0. */
static uint32_t portOf(const std::string &line) {
  static const std::string verb = "CONNECT ";
  if (line.compare(0, verb.size(), verb) != 0 || line.size() == verb.size()) return 0;
  uint64_t port = 0;
  for (size_t i = verb.size(); i < line.size(); i++) {
    if (line[i] < '0' || line[i] > '9' || port > UINT32_MAX) return 0;
    port = port * 10 + (uint64_t)(line[i] - '0');
  }
  return port < UINT32_MAX ? (uint32_t)port : 0;
}

/* False: the caller is to go. Byte by byte, because what follows the line is the guest's. */
bool VsockBridge::hear(Callers::iterator caller) {
  while (caller->line.size() < MAX_CALL_BYTES) {
    char byte;
    ssize_t got = read(caller->descriptor, &byte, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno == EAGAIN || errno == EWOULDBLOCK;
    if (got == 0) return false;
    if (byte != '\n') {
      caller->line += byte;
      continue;
    }
    uint32_t port = portOf(caller->line);
    if (port == 0) return false;
    caller->dialing = true;
    dial_(port, [this, caller, port](int guest) { answered(caller, port, guest); });
    return true;
  }
  return false;
}

void VsockBridge::answered(Callers::iterator caller, uint32_t port, int guest) {
  int descriptor = caller->descriptor;
  callers_.erase(caller);
  full_ = false;
  std::string line = "OK " + std::to_string(port) + "\n";
  /* A new socket has room for a line. */
  if (guest >= 0 && send(descriptor, line.data(), line.size(), 0) == (ssize_t)line.size()) {
    join(descriptor, guest);
    return;
  }
  ::close(descriptor);
  if (guest >= 0) ::close(guest);
}

void VsockBridge::guestCalls(uint32_t port, int guest) {
  std::string path = path_ + "_" + std::to_string(port);
  sockaddr_un address = socket_address(path.c_str());
  int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
  if (descriptor >= 0 && set_private(descriptor) &&
      connect(descriptor, (const sockaddr *)&address, sizeof address) == 0) {
    join(descriptor, guest);
    return;
  }
  if (descriptor >= 0) ::close(descriptor);
  ::close(guest);
}

void VsockBridge::join(int one, int other) {
  if (set_private(one) && set_private(other)) {
    streams_.push_back({{one, other}, {}, NO_SLOT});
    return;
  }
  ::close(one);
  ::close(other);
}

/* Moves bytes one way, as many as there is room for. False: the stream is broken. */
bool VsockBridge::carry(Stream &stream, int from, short sourceEvents, short sinkEvents) {
  static char block[BLOCK];
  Way &way = stream.ways[from];
  int source = stream.descriptors[from];
  int sink = stream.descriptors[1 - from];
  if (!way.pending.empty() && sinkEvents != 0) {
    ssize_t sent = send(sink, way.pending.data(), way.pending.size(), 0);
    if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) return false;
    if (sent > 0) way.pending.erase(0, (size_t)sent);
    if (way.pending.empty()) way.pending.shrink_to_fit();
  }
  if (way.pending.empty() && !way.ended && sourceEvents != 0) {
    ssize_t got = recv(source, block, sizeof block, 0);
    if (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) return false;
    if (got == 0) way.ended = true;
    if (got > 0) {
      ssize_t sent = send(sink, block, (size_t)got, 0);
      if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) return false;
      if (sent < got) way.pending.assign(block + (sent < 0 ? 0 : sent), (size_t)(got - (sent < 0 ? 0 : sent)));
    }
  }
  if (way.ended && way.pending.empty() && !way.shut) {
    way.shut = true;
    /* A sink that is gone already ends the other way by itself. */
    shutdown(sink, SHUT_WR);
  }
  return true;
}

void VsockBridge::beforePoll(std::vector<pollfd> &slots) {
  listenerSlot_ = slots.size();
  slots.push_back({full_ ? -1 : listener_, POLLIN, 0});
  for (auto &caller : callers_) {
    caller.slot = slots.size();
    slots.push_back({caller.dialing ? -1 : caller.descriptor, POLLIN, 0});
  }
  for (auto &stream : streams_) {
    stream.slot = slots.size();
    for (int i = 0; i < 2; i++) {
      short events = 0;
      if (!stream.ways[i].ended && stream.ways[i].pending.empty()) events |= POLLIN;
      if (!stream.ways[1 - i].pending.empty()) events |= POLLOUT;
      /* One that nothing is wanted of would report its hang-up for ever. */
      slots.push_back({events == 0 ? -1 : stream.descriptors[i], events, 0});
    }
  }
}

void VsockBridge::afterPoll(const std::vector<pollfd> &slots) {
  for (auto caller = callers_.begin(); caller != callers_.end();) {
    auto next = std::next(caller);
    bool ready = caller->slot != NO_SLOT && slots[caller->slot].revents != 0;
    if (ready && !hear(caller)) {
      ::close(caller->descriptor);
      callers_.erase(caller);
      full_ = false;
    }
    caller = next;
  }
  for (auto stream = streams_.begin(); stream != streams_.end();) {
    auto next = std::next(stream);
    if (stream->slot != NO_SLOT) {
      short events[2] = {slots[stream->slot].revents, slots[stream->slot + 1].revents};
      bool works = (events[0] == 0 && events[1] == 0) ||
                   (carry(*stream, 0, events[0], events[1]) && carry(*stream, 1, events[1], events[0]));
      if (!works || (stream->ways[0].shut && stream->ways[1].shut)) {
        ::close(stream->descriptors[0]);
        ::close(stream->descriptors[1]);
        streams_.erase(stream);
        full_ = false;
      }
    }
    stream = next;
  }
  if (slots[listenerSlot_].revents != 0 && listener_ >= 0) accept();
}
