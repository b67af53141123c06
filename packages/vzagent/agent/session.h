// The connection that has a process's part: its output and exit go there, its input comes from there.
#ifndef VZAGENT_SESSION_H
#define VZAGENT_SESSION_H

#include "process.h"

// Gives the process's part to a connection. Another that had it is told so.
void session_begin(struct process *process, struct connection *connection);

// Takes it away, saying nothing.
void session_end(struct process *process);

// Ends it for a host that was told its process's exit, the last thing that is said of it. False when there is something
// to be said, or the connection has another part.
bool session_leave(struct connection *connection);

// Takes it away and says why.
void session_take_away(struct process *process, const char *why);

// Tells that the program runs, or the host that attached what there is.
void session_tell_start(struct process *process);

// Tells why it does not run.
void session_tell_failure(struct process *process);

// Sends what there is to be sent, the exit at last, and reads on if there is room for more. The process may be freed by
// that.
void session_pump(struct process *process);

void attach(struct connection *connection, const struct message *message);

#endif
