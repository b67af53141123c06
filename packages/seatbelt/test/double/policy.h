#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "expression.h"

struct parameter {
  const char *name;
  const char *value;
};

/* What a rule says about a path, in rights of Landlock. A denial takes all rights to write. */
struct path_rule {
  const char *path;
  uint64_t rights;
  bool subtree;
  bool denied;
};

struct policy {
  struct path_rule *paths;
  size_t path_count;
  uint16_t *bind_ports, *connect_ports;
  size_t bind_count, connect_count;
  bool bind_all, connect_all;
  bool unix_sockets;
  bool signal_others;
};

enum { MAX_PARAMETERS = 1024 };

/* What can be enforced of a profile; ends the process if that would be less, or other, than the profile says. */
struct policy *interpret(struct expression *profile, const struct parameter *parameters, size_t count);
