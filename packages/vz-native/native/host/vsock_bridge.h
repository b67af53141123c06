/*
 * The guest's vsock as Unix sockets: whoever connects to `path` and says `CONNECT <port>\n` gets `OK <port>\n` when the
 * guest has accepted, and its stream from then on; the guest's calls to a port of the host go to `path_<port>`. Each way
 * of a stream ends for itself. What one side does not read is not read from the other: little is kept for thousands.
 */
#pragma once
#include <poll.h>

#include <functional>
#include <list>
#include <string>
#include <vector>

#include "outcome.h"

class VsockBridge {
 public:
  /* Calls a port of the guest; `done` comes later, on the main loop, with a descriptor or -1. */
  using Dial = std::function<void(uint32_t port, std::function<void(int descriptor)> done)>;

  VsockBridge(std::string path, Dial dial);
  ~VsockBridge();
  VsockBridge(const VsockBridge &) = delete;
  /* Throws std::runtime_error. */
  void open();
  /* No more calls; streams go on. */
  void close();
  /* A call of the guest, whose descriptor becomes the bridge's. */
  void guestCalls(uint32_t port, int descriptor);
  void beforePoll(std::vector<pollfd> &slots);
  void afterPoll(const std::vector<pollfd> &slots);

 private:
  struct Caller {
    int descriptor;
    std::string line;
    bool dialing = false;
    size_t slot = 0;
  };
  struct Way {
    std::string pending;
    bool ended = false; /* its source has no more */
    bool shut = false;  /* and its sink was told */
  };
  struct Stream {
    int descriptors[2];
    Way ways[2]; /* way i leads from i to the other */
    size_t slot = 0;
  };
  using Callers = std::list<Caller>;

  void accept();
  bool hear(Callers::iterator caller);
  void answered(Callers::iterator caller, uint32_t port, int guest);
  void join(int one, int other);
  static bool carry(Stream &stream, int from, short sourceEvents, short sinkEvents);

  std::string path_;
  Dial dial_;
  int listener_ = -1;
  size_t listenerSlot_ = 0;
  bool full_ = false; /* out of descriptors: waits until something ends */
  Callers callers_;
  std::list<Stream> streams_;
};
