/* The configuration file, read and checked. */
#ifndef ZLAYER_HOST_CONFIG_H
#define ZLAYER_HOST_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failure.h"
#include "json.h"
#include "limits.h"

struct program {
  const char *name;
  char **argv; /* NULL at the end */
  const char *log; /* NULL: output is discarded */
  char **read_only_paths; /* NULL at the end */
};

struct connection {
  const char *path;
  int descriptor; /* under which main finds it */
};

struct config {
  const char *status_file;
  const char *control_socket;
  const char *run_directory; /* may be NULL */
  bool keep_on_owner_exit;
  int64_t stop_grace_ms;
  int64_t start_timeout_ms;
  size_t helper_count;
  struct program helpers[MAX_HELPERS];
  size_t connection_count;
  struct connection connections[MAX_CONNECTIONS];
  struct program main;
  struct json_document document; /* holds every string above */
};

bool config_load(const char *path, struct config *config, struct failure *failure);

/* The check behind config_load, for text that is in memory already. */
bool config_parse(const char *bytes, size_t length, struct config *config, struct failure *failure);

/* To be called also after a failure. */
void config_free(struct config *config);

#endif
