// The user of a program, as the container's own /etc/passwd and /etc/group have it.
#ifndef VZAGENT_USERS_H
#define VZAGENT_USERS_H

#include "spec.h"

#include <limits.h>
#include <sys/types.h>

struct identity {
  uid_t uid;
  gid_t gid;
  gid_t *groups;  // supplementary ones; never freed: a program takes this process's place
  size_t group_count;
  char name[256];  // empty when /etc/passwd has no entry
  char home[PATH_MAX];
};

// Looks the user up with Docker's rules; inside the container's root. What a hostile container may have put into its
// files is read without waiting and up to a bound.
const struct fault *users_resolve(const struct spec *spec, struct identity *identity);

// Makes the calling process that user. Errno says why it failed.
bool users_become(const struct identity *identity);

#endif
