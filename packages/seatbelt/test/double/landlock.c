#include "landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "failure.h"

enum { CREATE_RULESET = 444, ADD_RULE = 445, RESTRICT_SELF = 446 };
enum { RULE_PATH = 1, RULE_PORT = 2 };
#define NET_BIND UINT64_C(1)
#define NET_CONNECT UINT64_C(2)
#define SCOPE_ABSTRACT_SOCKET UINT64_C(1)
#define SCOPE_SIGNAL UINT64_C(2)
/* Ports came with 4, signals with 6. */
enum { LEAST_VERSION = 6 };

struct ruleset {
  uint64_t files, network, scopes;
};

struct path_beneath {
  uint64_t rights;
  int32_t parent;
} __attribute__((packed));

struct port_rule {
  uint64_t rights, port;
};

static void allow_path(int ruleset, const struct path_rule *rule) {
  int descriptor = open(rule->path, O_PATH | O_CLOEXEC);
  /* A profile may name what is not there. */
  if (descriptor < 0 && (errno == ENOENT || errno == ENOTDIR)) return;
  struct stat status;
  if (descriptor < 0 || fstat(descriptor, &status) != 0) fail(REFUSED, "%s: %s", rule->path, strerror(errno));
  bool folder = S_ISDIR(status.st_mode);
  /* Landlock's rules reach below a folder; a literal's does not. */
  if (!folder || rule->subtree) {
    struct path_beneath beneath = {.rights = rule->rights & (folder ? RIGHTS_ALL : RIGHTS_OF_FILES),
                                   .parent = descriptor};
    if (beneath.rights != 0 && syscall(ADD_RULE, ruleset, RULE_PATH, &beneath, 0) != 0) {
      fail(REFUSED, "landlock_add_rule %s: %s", rule->path, strerror(errno));
    }
  }
  close(descriptor);
}

static void allow_ports(int ruleset, const uint16_t *ports, size_t count, uint64_t right) {
  for (size_t i = 0; i < count; i++) {
    struct port_rule rule = {.rights = right, .port = ports[i]};
    if (syscall(ADD_RULE, ruleset, RULE_PORT, &rule, 0) != 0) fail(REFUSED, "landlock_add_rule: %s", strerror(errno));
  }
}

void restrict_with_landlock(const struct policy *policy) {
  long version = syscall(CREATE_RULESET, NULL, 0, 1);
  if (version < LEAST_VERSION) fail(REFUSED, "this kernel's Landlock is older than version %d", LEAST_VERSION);
  struct ruleset attributes = {
      .files = RIGHTS_ALL,
      .network = (policy->bind_all ? 0 : NET_BIND) | (policy->connect_all ? 0 : NET_CONNECT),
      .scopes = (policy->signal_others ? 0 : SCOPE_SIGNAL) | (policy->unix_sockets ? 0 : SCOPE_ABSTRACT_SOCKET),
  };
  int ruleset = (int)syscall(CREATE_RULESET, &attributes, sizeof attributes, 0);
  if (ruleset < 0) fail(REFUSED, "landlock_create_ruleset: %s", strerror(errno));
  for (size_t i = 0; i < policy->path_count; i++) {
    if (!policy->paths[i].denied) allow_path(ruleset, &policy->paths[i]);
  }
  if (!policy->bind_all) allow_ports(ruleset, policy->bind_ports, policy->bind_count, NET_BIND);
  if (!policy->connect_all) allow_ports(ruleset, policy->connect_ports, policy->connect_count, NET_CONNECT);
  if (syscall(RESTRICT_SELF, ruleset, 0) != 0) fail(REFUSED, "landlock_restrict_self: %s", strerror(errno));
  close(ruleset);
}
