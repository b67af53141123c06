#ifdef __APPLE__
#include <sandbox.h>
#include <stdio.h>
#include <string.h>

#include "jail.h"

enum { MAX_PROFILE_BYTES = 65536 };

/* A string of a profile: its quotes and backslashes are escaped. */
static bool quote(char *profile, const char *text) {
  size_t at = strlen(profile);
  if (at + 2 * strlen(text) + 3 > MAX_PROFILE_BYTES) return false;
  profile[at++] = '"';
  for (; *text != '\0'; text++) {
    if (*text == '"' || *text == '\\') profile[at++] = '\\';
    profile[at++] = *text;
  }
  profile[at++] = '"';
  profile[at] = '\0';
  return true;
}

static bool add(char *profile, const char *text) {
  if (strlen(profile) + strlen(text) + 1 > MAX_PROFILE_BYTES) return false;
  strcat(profile, text);
  return true;
}

static bool allow(char *profile, const char *operation, const char *const *paths, size_t count) {
  for (size_t i = 0; i < count; i++) {
    /* A rule for a folder is one for all that is in it; profiles know files by their real paths. */
    if (!add(profile, "(allow ") || !add(profile, operation) || !add(profile, " (subpath ") || !quote(profile, paths[i]) ||
        !add(profile, "))\n")) {
      return false;
    }
  }
  return true;
}

bool jail_is_there(void) { return true; }

bool jail_enter(const struct jail *jail, struct failure *failure) {
  static char profile[MAX_PROFILE_BYTES] =
      "(version 1)\n(allow default)\n(deny file-write*)\n(deny file-read-data)\n"
      "(allow file-read* (subpath \"/usr\") (subpath \"/System\") (subpath \"/Library\") (subpath \"/opt/homebrew\")"
      " (subpath \"/private/var/db/dyld\") (subpath \"/dev\"))\n(allow file-write* (literal \"/dev/null\") (subpath \"/dev/fd\"))\n";
  bool fits = allow(profile, "file-read*", jail->read_only, jail->read_only_count) &&
              allow(profile, "file-read*", jail->read_write, jail->read_write_count) &&
              allow(profile, "file-write*", jail->read_write, jail->read_write_count) &&
              (jail->network || add(profile, "(deny network-outbound (remote ip))\n(deny network-bind (local ip))\n"));
  if (!fits) return fail(failure, "jail: its profile is too long");
  char *error = NULL;
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wdeprecated-declarations"
  if (sandbox_init(profile, 0, &error) == 0) return true;
  fail(failure, "jail: %s", error == NULL ? "refused" : error);
  sandbox_free_error(error);
#pragma clang diagnostic pop
  return false;
}
#else
typedef int nothing_here;
#endif
