/*
 * The control socket: requests and answers are lines of JSON. A client that does not read is not read from, so nothing
 * that clients do makes the host wait or grow.
 */
#ifndef ZLAYER_HOST_CONTROL_H
#define ZLAYER_HOST_CONTROL_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failure.h"
#include "json.h"
#include "limits.h"
#include "text.h"

struct control_client {
  int descriptor; /* -1: free */
  char *input;
  size_t input_length;
  char *output; /* what the socket did not take yet, or NULL */
  size_t output_length;
  size_t output_sent;
  bool ended; /* it will send nothing more */
};

struct control_handler {
  void *context;
  /* Writes one answer without its newline. `client` is a number that stays the client's until `gone`. */
  void (*answer)(void *context, int client, const struct json_value *request, struct text *answer);
  void (*gone)(void *context, int client);
};

struct control {
  int listener; /* -1: not open */
  const char *path;
  int64_t accept_again_at; /* out of descriptors until then; 0: not */
  struct control_handler handler;
  struct control_client clients[MAX_CLIENTS];
};

enum { CONTROL_POLL_SLOTS = MAX_CLIENTS + 1 };

bool control_open(struct control *control, const char *path, struct control_handler handler, struct failure *failure);
/* Says what to wait for; fills CONTROL_POLL_SLOTS entries. */
void control_before_poll(struct control *control, struct pollfd slots[CONTROL_POLL_SLOTS]);
void control_after_poll(struct control *control, const struct pollfd slots[CONTROL_POLL_SLOTS]);
/* A line that no request asked for. A client that has not read what came before, so that there is no room, is ended. */
void control_tell(struct control *control, int client, const char *line, size_t length);
/* No new clients; the socket's path is free afterwards. */
void control_close_listener(struct control *control);
/* A last line for every client that still reads, and the end. */
void control_finish(struct control *control, const char *line, size_t length);

#endif
