// Control connections from the host.
#ifndef VZAGENT_CONNECTION_H
#define VZAGENT_CONNECTION_H

#include "loop.h"
#include "message.h"

struct connection {
  struct source source;
  struct bytes in;
  struct bytes out;
  bool closing;      // what is in `out` is still sent, nothing more is read
  bool broken;       // the host is gone
  bool held;         // frames wait until a request before them can go on
};

// Takes over an accepted descriptor.
void connection_open(int fd);

// Queues a message and sends what the transport takes now. Memory that runs short ends the connection.
void connection_send(struct connection *connection, const struct message *message);

__attribute__((format(printf, 2, 3))) void connection_send_error(struct connection *connection, const char *format, ...);

// Whether the host is behind: output for it should wait. `workload_host_caught_up` tells the end of that.
bool connection_is_full(const struct connection *connection);

// Stops taking frames, or goes on with those that wait. A connection does not hold itself while it is being resumed.
void connection_hold(struct connection *connection);
void connection_resume(struct connection *connection);

#endif
