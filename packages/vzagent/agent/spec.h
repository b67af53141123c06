// What to run, and as whom: a message of the host brought into the form that the kernel wants, in memory of its own.
#ifndef VZAGENT_SPEC_H
#define VZAGENT_SPEC_H

#include "fault.h"
#include "message.h"

#include <sys/resource.h>

enum { SPEC_MORE_ENV = 4 };  // entries that the starting process may add

struct spec_limit {
  int resource;
  struct rlimit value;
};

struct spec {
  char **argv;       // ended by null; at least one
  char **env;        // ended by null
  size_t env_count;
  char *cwd;
  char *user;        // `name`, `uid`, `name:group`, `uid:gid`; empty is root
  char **groups;     // supplementary ones, names or numbers, ended by null
  struct spec_limit *limits;
  size_t limit_count;
  uint64_t capabilities;
  bool no_new_privileges;
  bool has_tty;
  struct tty_size tty;
  bool has_stdin;
  uint32_t spool_bytes;
  enum when_full when_full;
  bool legacy;       // asked for by tags 1 to 14
  bool login_names;  // USER and LOGNAME are wanted as well, and a user without an entry has its own number as its group
  void *memory;      // what all of the above point into
};

// Each returns null when it worked (then `spec_free` the result), or what is wrong with the message.
const struct fault *spec_of_process(const struct process_spec *process, struct spec *spec);
const struct fault *spec_of_run(const struct run_message *run, struct spec *spec);
const struct fault *spec_of_exec(const struct exec_message *exec, struct spec *spec);

void spec_free(struct spec *spec);

// The value of PATH, or the default that a program without one is looked up in.
const char *spec_path(const struct spec *spec);

// Whether the environment has a variable.
bool spec_has_env(const struct spec *spec, const char *name);

// Whether a slice is a C string in waiting: no NUL inside.
bool slice_is_text(struct slice slice);

#endif
