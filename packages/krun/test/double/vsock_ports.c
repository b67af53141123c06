#include "vsock_ports.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct door {
  int listener;
  uint32_t port;
  const char *calls;
};

struct call {
  int caller, device;
  uint32_t port;
};

/* One direction of a call; both own its descriptors. */
struct direction {
  int from, to;
};

static void *carry(void *context) {
  struct direction *direction = context;
  char piece[65536];
  ssize_t got;
  while ((got = read(direction->from, piece, sizeof piece)) > 0 || (got < 0 && errno == EINTR)) {
    for (ssize_t at = 0, put; at < got; at += put) {
      put = send(direction->to, piece + at, (size_t)(got - at), MSG_NOSIGNAL);
      if (put <= 0) goto over;
    }
  }
over:
  shutdown(direction->to, SHUT_WR);
  shutdown(direction->from, SHUT_RD);
  return NULL;
}

/* The device does not bear a caller who hangs up before it has answered. */
static bool is_taken(const struct call *call) {
  char line[32], byte;
  int length = snprintf(line, sizeof line, "CONNECT %u\n", call->port);
  if (write(call->device, line, (size_t)length) != length) return false;
  bool taken = false;
  for (length = 0; read(call->device, &byte, 1) == 1; length++) {
    if (length == 0) taken = byte == 'O';
    if (byte == '\n') return taken;
  }
  return false;
}

static void *serve(void *context) {
  struct call *call = context;
  if (is_taken(call)) {
    pthread_t other;
    struct direction in = {call->caller, call->device}, out = {call->device, call->caller};
    if (pthread_create(&other, NULL, carry, &in) == 0) {
      carry(&out);
      pthread_join(other, NULL);
    }
  }
  close(call->caller);
  close(call->device);
  free(call);
  return NULL;
}

static struct sockaddr_un address_of(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  return address;
}

static void *take_calls(void *context) {
  struct door *door = context;
  for (;;) {
    int caller = accept4(door->listener, NULL, NULL, SOCK_CLOEXEC);
    if (caller < 0) continue;
    struct sockaddr_un address = address_of(door->calls);
    int device = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct call *call = malloc(sizeof *call);
    pthread_t thread;
    if (call == NULL || connect(device, (struct sockaddr *)&address, sizeof address) != 0) {
      close(caller);
      close(device);
      free(call);
      continue;
    }
    *call = (struct call){caller, device, door->port};
    if (pthread_create(&thread, NULL, serve, call) == 0) pthread_detach(thread);
  }
  return NULL;
}

static bool open_door(const struct emulated_port *port, const char *calls) {
  struct sockaddr_un address = address_of(port->path);
  struct door *door = malloc(sizeof *door);
  if (door == NULL) return false;
  *door = (struct door){socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), port->number, strdup(calls)};
  pthread_t thread;
  return bind(door->listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(door->listener, 5) == 0 &&
         pthread_create(&thread, NULL, take_calls, door) == 0;
}

bool vsock_ports_open(const struct machine *machine, const char *calls) {
  for (size_t i = 0; i < machine->port_count; i++) {
    const struct emulated_port *port = &machine->ports[i];
    char own[512];
    snprintf(own, sizeof own, "%s_%u", calls, port->number);
    if (port->guest_listens ? !open_door(port, calls) : symlink(port->path, own) != 0) return false;
  }
  return true;
}
