// Control connections from the host.
#ifndef VZAGENT_CONNECTION_H
#define VZAGENT_CONNECTION_H

#include "fault.h"
#include "loop.h"
#include "message.h"

struct connection;

// What a request can make a connection: a process's streams, a tunnel, an archive.
struct connection_role {
  // A message from the host; false when it means nothing to this role: it is then answered as on any other connection.
  bool (*take)(struct connection *connection, const struct message *message);
  // Output was refused by `connection_is_full` and would be taken again. May be null.
  void (*caught_up)(struct connection *connection);
  // The connection is about to be freed.
  void (*lost)(struct connection *connection);
};

struct connection {
  struct source source;
  struct bytes in;   // the beginning of a frame that has not arrived completely, and what waits while `held`
  struct bytes out;
  const struct connection_role *role;  // null while it belongs to nothing
  void *owner;                         // what it belongs to, for the role
  bool closing;      // what is in `out` is still sent, nothing more is read
  bool broken;       // the host is gone
  bool is_waited_for;  // somebody has more for the host when it has taken what is queued
  bool held;         // frames wait until a request before them can go on
  bool released;     // the descriptor belongs to somebody else
  bool handling;     // one of its frames is being handled
  struct connection *next_early;
};

// Between the two only Hello is answered; every other request waits for the second.
void connections_only_greet(void);
void connections_serve(void);

// Takes over an accepted descriptor.
void connection_open(int fd);

// Queues a message and sends what the transport takes now. Memory that runs short ends the connection.
void connection_send(struct connection *connection, const struct message *message);

// The same for a message whose last field are many bytes, empty in `message`: what the transport takes now is not
// copied.
void connection_send_data(struct connection *connection, const struct message *message, struct slice data);

// The same for bytes that are kept elsewhere: false, and nothing is queued, when the transport takes none of them now.
// `caught_up` follows then.
bool connection_offer(struct connection *connection, const struct message *message, struct slice data);

// Whether something is queued: who can wait with more for the host does so until `caught_up`.
bool connection_waits(struct connection *connection);

// Answers of the extensions, and the one of tags 1 to 14.
void connection_send_done(struct connection *connection);
void connection_send_fault(struct connection *connection, const struct fault *fault);
__attribute__((format(printf, 2, 3))) void connection_send_error(struct connection *connection, const char *format,
                                                                 ...);

// Whether the host is behind: output for it should wait until `caught_up`.
bool connection_is_full(const struct connection *connection);

// Stops taking frames, or goes on with those that wait.
void connection_hold(struct connection *connection);
void connection_resume(struct connection *connection);

// Sends what is queued and closes; nothing more is read.
void connection_finish(struct connection *connection);

// For a request that makes the connection a raw byte stream: hands out the descriptor and what arrived behind the
// request (to be freed), and ends the connection. Only inside the handling of a request, with nothing queued for the
// host.
int connection_release(struct connection *connection, struct bytes *rest);

#endif
