/* Connects to Unix sockets as soon as somebody listens there. */
#ifndef ZLAYER_HOST_CONNECTOR_H
#define ZLAYER_HOST_CONNECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "child.h"
#include "config.h"
#include "failure.h"

struct connector {
  const struct config *config;
  struct passed_descriptor connected[MAX_CONNECTIONS]; /* .open is -1 until there is a connection */
  size_t waiting;
  int watch;        /* readable when something happened in a watched directory; -1 if there is none */
  int64_t retry_at; /* when to call connector_try at the latest; -1: not before something happens */
  int retry_delay_ms;
};

bool connector_open(struct connector *connector, const struct config *config, struct failure *failure);
/* Tries every connection that is still missing. False: one can never succeed. */
bool connector_try(struct connector *connector, struct failure *failure);
/* The path of a socket that nobody listens on yet, or NULL. */
const char *connector_missing(const struct connector *connector);
void connector_close(struct connector *connector);

#endif
