/*
 * Stands in for sandbox-exec on Linux, so that tests see what a profile denies: files and TCP ports by Landlock,
 * sockets of other kinds by seccomp, read-only folders in writable ones by a mount namespace. It reads profiles by code
 * of its own. A rule that it cannot enforce is an error, except for what Linux does not have (Mach, IOKit, ...).
 *
 * It is never more permissive than the profile, but for this: it sees ports and no addresses, it does not tell Unix
 * sockets apart by their path, it does not deny reading metadata, and what can be mapped as code can be executed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "expression.h"
#include "failure.h"
#include "landlock.h"
#include "policy.h"

static struct parameter parse_parameter(const char *argument) {
  const char *equals = strchr(argument, '=');
  if (equals == NULL || equals == argument) fail(WRONG_PROFILE, "-D takes NAME=VALUE");
  return (struct parameter){.name = strndup(argument, (size_t)(equals - argument)), .value = equals + 1};
}

int main(int count, char **arguments) {
  static struct parameter parameters[MAX_PARAMETERS];
  size_t parameter_count = 0;
  const char *text = NULL;
  for (int option; (option = getopt(count, arguments, "+p:D:")) != -1;) {
    if (option == 'p') text = optarg;
    else if (option == 'D' && parameter_count < MAX_PARAMETERS) parameters[parameter_count++] = parse_parameter(optarg);
    else fail(64, "usage: sandbox-exec -p profile [-D name=value ...] command [arguments ...]");
  }
  if (text == NULL || optind >= count) fail(64, "there is no profile, or no command");
  struct policy *policy = interpret(read_expressions(text), parameters, parameter_count);
  if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1) fail(REFUSED, "sandbox_apply: Operation not permitted");
  mount_denied_paths(policy);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail(REFUSED, "no_new_privs: %s", strerror(errno));
  restrict_with_landlock(policy);
  restrict_sockets(policy);
  execvp(arguments[optind], &arguments[optind]);
  fail(REFUSED, "execvp() of '%s' failed: %s", arguments[optind], strerror(errno));
}
