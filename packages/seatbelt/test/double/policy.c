#include "policy.h"

#include <stdlib.h>
#include <string.h>

#include "failure.h"
#include "landlock.h"

struct context {
  struct policy *policy;
  const struct parameter *parameters;
  size_t parameter_count;
  const struct expression *rule;
  bool denies;
};

/* Operations on things that Linux does not have. */
static const char *const WITHOUT_COUNTERPART[] = {
    "process-fork",         "process-info*",         "sysctl-read",            "system-info",
    "ipc-posix-sem",        "ipc-posix-shm*",        "mach-lookup",            "iokit-open",
    "iokit-open-service",   "iokit-open-user-client", "iokit-get-properties",  "user-preference-read",
    "pseudo-tty",           "file-read-metadata",    "system-socket",
};

static _Noreturn void cannot(const struct context *context, const char *what) {
  fail(WRONG_PROFILE, "line %d: this double cannot enforce %s", context->rule->line, what);
}

static const char *string_of(const struct context *context, const struct expression *expression) {
  if (expression != NULL && expression->kind == STRING) return expression->text;
  if (is_call(expression, "param") && expression->first->next != NULL && expression->first->next->kind == STRING) {
    const char *name = expression->first->next->text;
    for (size_t i = 0; i < context->parameter_count; i++) {
      if (strcmp(context->parameters[i].name, name) == 0) return context->parameters[i].value;
    }
    fail(WRONG_PROFILE, "line %d: the parameter %s is not set", expression->line, name);
  }
  fail(WRONG_PROFILE, "line %d: a string is expected", context->rule->line);
}

static void *grow(void *list, size_t count, size_t size) {
  void *grown = realloc(list, (count + 1) * size);
  if (grown == NULL) fail(REFUSED, "out of memory");
  return grown;
}

static void add_path(const struct context *context, const char *path, uint64_t rights, bool subtree) {
  struct policy *policy = context->policy;
  policy->paths = grow(policy->paths, policy->path_count, sizeof *policy->paths);
  policy->paths[policy->path_count++] =
      (struct path_rule){.path = path, .rights = rights, .subtree = subtree, .denied = context->denies};
}

static void interpret_path(const struct context *context, const struct expression *filter, uint64_t rights) {
  if (is_call(filter, "subpath") || is_call(filter, "literal")) {
    bool subtree = is_call(filter, "subpath");
    if (context->denies && (!subtree || rights != RIGHTS_WRITE)) cannot(context, "this denial");
    add_path(context, string_of(context, filter->first->next), rights, subtree);
    return;
  }
  if (!is_call(filter, "require-all")) cannot(context, "this filter of a file");
  /* A file of a profile's own kind, or one that the system marked: neither is wider than the path alone. */
  const struct expression *path = filter->first->next;
  if (path == NULL || path->next == NULL || path->next->next != NULL) cannot(context, "this combination");
  if (is_call(path, "literal") && is_call(path->next, "vnode-type")) interpret_path(context, path, rights);
  else if (!is_call(path->next, "extension")) cannot(context, "this combination");
}

static void interpret_file(const struct context *context, const struct expression *filter, uint64_t rights) {
  if (filter == NULL) {
    if (context->denies) cannot(context, "a denial of everything");
    add_path(context, "/", rights, true);
  }
  for (; filter != NULL; filter = filter->next) interpret_path(context, filter, rights);
}

static uint16_t port_of(const struct context *context, const char *address) {
  const char *colon = strrchr(address, ':');
  char *end = NULL;
  long port = colon == NULL ? 0 : strtol(colon + 1, &end, 10);
  if (colon == NULL || end == colon + 1 || *end != '\0' || port < 1 || port > 65535) cannot(context, "this address");
  bool known = strncmp(address, "localhost:", 10) == 0 || strncmp(address, "*:", 2) == 0;
  if (!known) fail(WRONG_PROFILE, "line %d: host must be * or localhost in network address", context->rule->line);
  return (uint16_t)port;
}

static void add_port(const struct context *context, const char *operation, uint16_t port) {
  struct policy *policy = context->policy;
  if (strcmp(operation, "network-bind") == 0) {
    policy->bind_ports = grow(policy->bind_ports, policy->bind_count, sizeof port);
    policy->bind_ports[policy->bind_count++] = port;
  } else if (strcmp(operation, "network-outbound") == 0) {
    policy->connect_ports = grow(policy->connect_ports, policy->connect_count, sizeof port);
    policy->connect_ports[policy->connect_count++] = port;
  }
}

static void interpret_network(const struct context *context, const struct expression *filter, const char *operation) {
  if (context->denies) cannot(context, "a denial of network");
  bool all = strcmp(operation, "network*") == 0;
  if (filter == NULL) {
    context->policy->bind_all |= all || strcmp(operation, "network-bind") == 0;
    context->policy->connect_all |= all || strcmp(operation, "network-outbound") == 0;
    context->policy->unix_sockets = true;
    return;
  }
  for (; filter != NULL; filter = filter->next) {
    if (is_call(filter, "literal")) continue; /* A socket of macOS's own, which is not there. */
    if (!is_call(filter, "local") && !is_call(filter, "remote")) cannot(context, "this filter of the network");
    const struct expression *kind = filter->first->next;
    if (is_symbol(kind, "unix-socket")) context->policy->unix_sockets = true;
    else if (is_symbol(kind, "ip")) add_port(context, operation, port_of(context, string_of(context, kind->next)));
    else cannot(context, "this kind of address");
  }
}

static void interpret_signal(const struct context *context, const struct expression *filter) {
  if (context->denies) cannot(context, "a denial of signals");
  bool own = is_call(filter, "target") && is_symbol(filter->first->next, "same-sandbox");
  if (filter == NULL) context->policy->signal_others = true;
  else if (!own) cannot(context, "this target");
}

static bool has_no_counterpart(const char *operation) {
  for (size_t i = 0; i < sizeof WITHOUT_COUNTERPART / sizeof *WITHOUT_COUNTERPART; i++) {
    if (strcmp(operation, WITHOUT_COUNTERPART[i]) == 0) return true;
  }
  return false;
}

static void interpret_operation(struct context *context, const char *operation, const struct expression *filter) {
  static const struct {
    const char *operation;
    uint64_t rights;
  } files[] = {
      {"file-read*", RIGHTS_READ},
      {"file-read-data", RIGHTS_READ},
      {"file-write*", RIGHTS_WRITE},
      {"file-write-data", RIGHT_WRITE_FILE | RIGHT_TRUNCATE},
      {"file-ioctl", RIGHT_IOCTL},
      {"process-exec*", RIGHT_EXECUTE},
      {"process-exec", RIGHT_EXECUTE},
      /* Landlock asks for the right to execute a program's loader. */
      {"file-map-executable", RIGHT_EXECUTE},
  };
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    if (strcmp(operation, files[i].operation) == 0) {
      interpret_file(context, filter, files[i].rights);
      return;
    }
  }
  if (strncmp(operation, "network", 7) == 0) interpret_network(context, filter, operation);
  else if (strcmp(operation, "signal") == 0) interpret_signal(context, filter);
  else if (strcmp(operation, "file-write-create") == 0 || strcmp(operation, "file-write-unlink") == 0) return;
  else if (!has_no_counterpart(operation)) cannot(context, operation);
}

/* Without the words for the log, which only come last. */
static void drop_message(struct expression *rule) {
  struct expression *last = rule->first;
  while (last->next != NULL && !is_call(last->next, "with")) last = last->next;
  if (last->next != NULL && last->next->next != NULL) fail(WRONG_PROFILE, "line %d: (with ...) comes last", rule->line);
  last->next = NULL;
}

static void interpret_rule(struct context *context, struct expression *rule) {
  context->rule = rule;
  context->denies = is_call(rule, "deny");
  if (!context->denies && !is_call(rule, "allow")) fail(WRONG_PROFILE, "line %d: a rule is expected", rule->line);
  drop_message(rule);
  const struct expression *filter = rule->first->next;
  while (filter != NULL && filter->kind == SYMBOL) filter = filter->next;
  for (const struct expression *name = rule->first->next; name != filter; name = name->next) {
    if (strcmp(name->text, "default") == 0) {
      if (!context->denies) cannot(context, "a profile that allows by default");
    } else {
      interpret_operation(context, name->text, filter);
    }
  }
}

struct policy *interpret(struct expression *profile, const struct parameter *parameters, size_t count) {
  struct context context = {
      .policy = allocate(sizeof(struct policy)), .parameters = parameters, .parameter_count = count};
  if (!is_call(profile, "version")) fail(WRONG_PROFILE, "line 1: a profile begins with its version");
  for (struct expression *rule = profile->next; rule != NULL; rule = rule->next) {
    interpret_rule(&context, rule);
  }
  return context.policy;
}
