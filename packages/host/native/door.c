#include "door.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "descriptors.h"
#include "flow.h"
#include "limits.h"
#include "socket_path.h"

enum {
  BACKLOG = 1024,
  MAX_REQUEST_BYTES = 32, /* "CONNECT 4294967295\n" has 19 */
  MOST_CALLS = 16 * 1024,
  DESCRIPTORS_PER_CALL = 2,
  OTHER_DESCRIPTORS = 32,
  ASK_MS = 30 * 1000, /* how long a caller may take to say what it wants */
  REDIAL_MS = 5, /* the device's backlog is full, or there are too few descriptors */
};

enum stage {
  ASKED,   /* the caller has not said yet which port it wants */
  DIALING, /* the device takes no connection at the moment */
  WAITING, /* for the device's answer */
  JOINED,
};

struct call {
  enum stage stage;
  int caller; /* -1: gone, and only the device's answer is waited for */
  int device; /* -1: not connected yet */
  bool caller_gone, device_gone; /* for both directions */
  int64_t ask_until;
  char request[MAX_REQUEST_BYTES];
  size_t request_length;
  struct flow to_device, to_caller;
};

static struct {
  const char *device_path;
  int listener;
  struct call *calls;
  struct pollfd *slots; /* the listener's, then two for each call */
  size_t count, capacity, most;
  bool rests; /* the system has no descriptor, or no memory, for another caller at the moment */
} door;

static int fail(const char *what) {
  fprintf(stderr, "door: %s: %s\n", what, strerror(errno));
  return 1;
}

/* The most calls that descriptors suffice for, with as many of those as may be had. */
static size_t most_calls(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 64;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur <= OTHER_DESCRIPTORS + DESCRIPTORS_PER_CALL) return 1;
  rlim_t calls = (limit.rlim_cur - OTHER_DESCRIPTORS) / DESCRIPTORS_PER_CALL;
  return calls < MOST_CALLS ? (size_t)calls : MOST_CALLS;
}

static bool listen_at(const char *path) {
  struct sockaddr_un address = socket_address(path);
  door.listener = socket(AF_UNIX, SOCK_STREAM, 0);
  if (door.listener < 0 || !set_private(door.listener)) return false;
  mode_t mask = umask(0177);
  bool listens = bind(door.listener, (const struct sockaddr *)&address, sizeof address) == 0 &&
                 listen(door.listener, BACKLOG) == 0;
  umask(mask);
  return listens;
}

static bool make_room(void) {
  if (door.count < door.capacity) return true;
  size_t capacity = door.capacity == 0 ? 64 : door.capacity * 2;
  struct call *calls = realloc(door.calls, capacity * sizeof *calls);
  if (calls != NULL) door.calls = calls;
  struct pollfd *slots = realloc(door.slots, (1 + 2 * capacity) * sizeof *slots);
  if (slots != NULL) door.slots = slots;
  if (calls == NULL || slots == NULL) return false;
  door.capacity = capacity;
  return true;
}

/*
 * Closing with something unread is told to the other side as an error, and the device (0.3.0) does not pass that on: its
 * guest would hold the connection, and whatever serves it, for ever. An end it passes on.
 */
static void hang_up(int descriptor) {
  char unread[16 * 1024];
  shutdown(descriptor, SHUT_RD); /* so that nothing comes between the last read and the close */
  while (read(descriptor, unread, sizeof unread) > 0) continue;
  close(descriptor);
}

static void hang_up_on_caller(struct call *call) {
  if (call->caller >= 0) hang_up(call->caller);
  call->caller = -1;
}

static void end_call(struct call *call) {
  hang_up_on_caller(call);
  if (call->device >= 0) hang_up(call->device);
  flow_free(&call->to_device);
  flow_free(&call->to_caller);
}

/* Those for whom there is no place are told at once, by hanging up. */
static void take_callers(void) {
  for (int i = 0; i < BACKLOG; i++) {
    door.rests = !make_room();
    if (door.rests) return;
    int caller = accept(door.listener, NULL, NULL);
    door.rests = caller < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED;
    if (caller < 0) return;
    if (door.count < door.most && set_private(caller)) {
      door.calls[door.count++] = (struct call){.caller = caller, .device = -1, .ask_until = now_ms() + ASK_MS};
    } else {
      hang_up(caller);
    }
  }
}

/* Reads the line of a request, and nothing behind it. False: it is none. */
static bool take_request(struct call *call) {
  while (call->request_length < sizeof call->request) {
    char *byte = &call->request[call->request_length];
    ssize_t got = read(call->caller, byte, 1);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (got <= 0) return false;
    call->request_length++;
    if (*byte != '\n') continue;
    call->stage = DIALING;
    return true;
  }
  return false;
}

/* False: nobody listens there, so the call has failed. */
static bool dial(struct call *call) {
  struct sockaddr_un address = socket_address(door.device_path);
  int device = socket(AF_UNIX, SOCK_STREAM, 0);
  if (device < 0) return true;
  bool dialed = set_private(device) && connect(device, (const struct sockaddr *)&address, sizeof address) == 0;
  if (!dialed) {
    bool later = errno == EAGAIN;
    close(device);
    return later;
  }
  /* A socket that is new has room for a line. */
  if (write(device, call->request, call->request_length) != (ssize_t)call->request_length) {
    close(device);
    return false;
  }
  call->device = device;
  call->stage = WAITING;
  return true;
}

/* False: the call is over. */
static bool wait_for_answer(struct call *call, short caller, short device) {
  if ((caller & (POLLHUP | POLLERR)) != 0) hang_up_on_caller(call);
  if (device == 0) return true;
  /* The answer, or the end without one: the device has done its part either way. */
  call->stage = JOINED;
  return call->caller >= 0;
}

/* False: the call is over. */
static bool join(struct call *call, short caller, short device) {
  if ((caller & (POLLHUP | POLLERR)) != 0) call->caller_gone = true;
  if ((device & (POLLHUP | POLLERR)) != 0) call->device_gone = true;
  /* A side that takes nothing any more is read to its end nevertheless. */
  if (!call->caller_gone && !flow_move(&call->to_caller, call->device, call->caller)) call->caller_gone = true;
  /* A guest that waits for its output to be taken may not read what its caller has left it. */
  if (call->caller_gone) flow_drop(&call->to_caller, call->device);
  if (!call->device_gone && !flow_move(&call->to_device, call->caller, call->device)) call->device_gone = true;
  if (call->caller_gone && call->device_gone) return false;
  if (call->caller_gone) return !call->to_device.passed_on;
  if (call->device_gone) return !call->to_caller.passed_on;
  return !(call->to_device.passed_on && call->to_caller.passed_on);
}

/* False: the call is over. */
static bool advance(struct call *call, short caller, short device) {
  switch (call->stage) {
    case ASKED:
      if (caller == 0) return now_ms() < call->ask_until;
      if (!take_request(call)) return false;
      return call->stage != DIALING || dial(call);
    case DIALING: return (caller & (POLLHUP | POLLERR)) == 0 && dial(call);
    case WAITING: return wait_for_answer(call, caller, device);
    case JOINED: return caller == 0 && device == 0 ? true : join(call, caller, device);
  }
  return false;
}

static short wanted(bool reads, bool writes) { return (short)((reads ? POLLIN : 0) | (writes ? POLLOUT : 0)); }

/* A side that is gone is told of at every poll: it is asked only for what is still to be read from it. */
static struct pollfd slot(int descriptor, bool gone, short events) {
  return (struct pollfd){.fd = gone && events == 0 ? -1 : descriptor, .events = events};
}

static void fill_slots(const struct call *call, struct pollfd slots[2]) {
  bool is_joined = call->stage == JOINED;
  bool asks_caller = call->stage == ASKED || (is_joined && !call->device_gone && flow_reads(&call->to_device));
  bool asks_device = call->stage == WAITING || (is_joined && flow_reads(&call->to_caller));
  bool fills_caller = is_joined && !call->caller_gone && flow_writes(&call->to_caller);
  bool fills_device = is_joined && !call->device_gone && flow_writes(&call->to_device);
  slots[0] = slot(call->caller, call->caller_gone, wanted(asks_caller, fills_caller));
  slots[1] = slot(call->device, call->device_gone, wanted(asks_device, fills_device));
}

/* How long to wait at most for something to happen with a call, in milliseconds; -1: for ever. */
static int patience(const struct call *call) {
  if (call->stage == DIALING) return REDIAL_MS;
  if (call->stage != ASKED) return -1;
  int64_t left = call->ask_until - now_ms();
  return left < 0 ? 0 : (int)left;
}

/* Waits for something to happen; returns how many calls there were then. */
static size_t wait_for_events(void) {
  int wait = door.rests ? REDIAL_MS : -1;
  size_t polled = door.count;
  door.slots[0] = (struct pollfd){.fd = door.rests ? -1 : door.listener, .events = POLLIN};
  for (size_t i = 0; i < polled; i++) {
    fill_slots(&door.calls[i], &door.slots[1 + 2 * i]);
    int most = patience(&door.calls[i]);
    if (most >= 0 && (wait < 0 || most < wait)) wait = most;
  }
  return poll(door.slots, (nfds_t)(1 + 2 * polled), wait) >= 0 ? polled : 0;
}

static void serve_calls(size_t polled) {
  size_t kept = 0;
  for (size_t i = 0; i < polled; i++) {
    const struct pollfd *slots = &door.slots[1 + 2 * i];
    if (advance(&door.calls[i], slots[0].revents, slots[1].revents)) {
      door.calls[kept++] = door.calls[i];
    } else {
      end_call(&door.calls[i]);
    }
  }
  door.count = kept;
}

int keep_door(const char *socket_path, const char *device_path) {
  if (strlen(socket_path) > MAX_SOCKET_PATH_BYTES || strlen(device_path) > MAX_SOCKET_PATH_BYTES) {
    errno = ENAMETOOLONG;
    return fail(socket_path);
  }
  signal(SIGPIPE, SIG_IGN);
  door.device_path = device_path;
  door.most = most_calls();
  if (!make_room()) return fail("calls");
  if (!listen_at(socket_path)) return fail(socket_path);
  for (;;) {
    size_t polled = wait_for_events();
    if (polled == 0 && door.count > 0) continue; /* interrupted */
    bool calls = (door.slots[0].revents & POLLIN) != 0;
    serve_calls(polled);
    if (calls || door.rests) take_callers();
  }
}
