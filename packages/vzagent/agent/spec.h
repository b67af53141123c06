// What a workload is started with: a Run message in the form that the kernel's calls take.
#ifndef VZAGENT_SPEC_H
#define VZAGENT_SPEC_H

#include "message.h"

#include <sys/types.h>

struct spec {
  char **argv;  // ended by null; at least one
  char **env;   // ended by null; has a PATH
  char *path;   // the value of PATH
  char *cwd;
  uid_t uid;
  gid_t gid;
  void *memory;  // what all of the above point into
};

// Null when it worked (then `spec_free` the result), or what is wrong with the message.
const char *spec_make(const struct run_message *run, struct spec *spec);

void spec_free(struct spec *spec);

// Whether a slice is a C string in waiting: no NUL inside.
bool slice_is_text(struct slice slice);

#endif
