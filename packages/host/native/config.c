#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json.h"

enum { MAX_KEYS = 10 };

/* Name of a place in the configuration, such as helpers[1].argv[0]. */
struct place {
  char text[96];
};

/* Cut off where it is too long, which only an unknown key can be. */
static struct place name_place(const char *format, ...) HOST_PRINTF(1, 2);

static struct place name_place(const char *format, ...) {
  struct place place;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(place.text, sizeof place.text, format, arguments);
  va_end(arguments);
  return place;
}

static struct place member_of(const char *where, const char *key) {
  return name_place("%s%s%s", where, *where == '\0' ? "" : ".", key);
}

static struct place element_of(const char *where, size_t index) { return name_place("%s[%zu]", where, index); }

/* Finds each of `keys` in an object that has exactly those. */
static bool take_members(const struct json_value *object, const char *where, size_t count, const char *const keys[],
                         const struct json_value *members[], struct failure *failure) {
  if (object->type != JSON_OBJECT) {
    return fail(failure, "%s: must be an object", *where == '\0' ? "configuration" : where);
  }
  for (size_t i = 0; i < count; i++) members[i] = NULL;
  for (const struct json_value *member = object->first; member != NULL; member = member->next) {
    size_t i = 0;
    while (i < count && strcmp(keys[i], member->key) != 0) i++;
    if (i == count) return fail(failure, "%s: unknown key", member_of(where, member->key).text);
    members[i] = member;
  }
  for (size_t i = 0; i < count; i++) {
    if (members[i] == NULL) return fail(failure, "%s: missing", member_of(where, keys[i]).text);
  }
  return true;
}

static bool take_string(const struct json_value *value, const char *where, size_t longest, const char **out,
                        struct failure *failure) {
  if (value->type != JSON_STRING) return fail(failure, "%s: must be a string", where);
  if (strlen(value->string) > longest) return fail(failure, "%s: longer than %zu bytes", where, longest);
  *out = value->string;
  return true;
}

static bool take_path(const struct json_value *value, const char *where, size_t longest, const char **out,
                      struct failure *failure) {
  if (!take_string(value, where, longest, out, failure)) return false;
  if (**out != '/') return fail(failure, "%s: must be an absolute path", where);
  return true;
}

static bool take_optional_path(const struct json_value *value, const char *where, const char **out,
                               struct failure *failure) {
  *out = NULL;
  return value->type == JSON_NULL || take_path(value, where, MAX_PATH_BYTES, out, failure);
}

static bool take_integer(const struct json_value *value, const char *where, int64_t least, int64_t most, int64_t *out,
                         struct failure *failure) {
  if (value->type != JSON_INTEGER || value->integer < least || value->integer > most) {
    return fail(failure, "%s: must be an integer from %lld to %lld", where, (long long)least, (long long)most);
  }
  *out = value->integer;
  return true;
}

static bool take_owner_exit(const struct json_value *value, bool *keep, struct failure *failure) {
  const char *word = value->type == JSON_STRING ? value->string : "";
  *keep = strcmp(word, "keep") == 0;
  return *keep || strcmp(word, "stop") == 0 || fail(failure, "onOwnerExit: must be \"stop\" or \"keep\"");
}

static bool take_name(const struct json_value *value, const char *where, const char **out, struct failure *failure) {
  static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  if (!take_string(value, where, MAX_NAME_BYTES, out, failure)) return false;
  if (**out == '\0' || strspn(*out, allowed) != strlen(*out)) {
    return fail(failure, "%s: must be made of letters, digits, '.', '_' and '-'", where);
  }
  return true;
}

/* Counts the elements of an array. */
static bool take_array(const struct json_value *value, const char *where, size_t most, size_t *count,
                       struct failure *failure) {
  if (value->type != JSON_ARRAY) return fail(failure, "%s: must be an array", where);
  *count = 0;
  for (const struct json_value *element = value->first; element != NULL; element = element->next) ++*count;
  if (*count > most) return fail(failure, "%s: has more than %zu elements", where, most);
  return true;
}

/* Makes a list of strings with NULL at the end. The first `paths` of them, or all that there are, are paths. */
static bool take_strings(const struct json_value *value, const char *where, size_t most, size_t paths, char ***out,
                         struct failure *failure) {
  size_t count = 0;
  if (!take_array(value, where, most, &count, failure)) return false;
  char **strings = calloc(count + 1, sizeof *strings);
  if (strings == NULL) return fail(failure, "out of memory");
  *out = strings;
  size_t i = 0;
  for (const struct json_value *element = value->first; element != NULL; element = element->next, i++) {
    struct place place = element_of(where, i);
    const char *string;
    if (i < paths ? !take_path(element, place.text, MAX_PATH_BYTES, &string, failure)
                  : !take_string(element, place.text, MAX_ARGUMENT_BYTES, &string, failure)) {
      return false;
    }
    strings[i] = (char *)string;
  }
  return true;
}

static bool take_argv(const struct json_value *value, const char *where, char ***out, struct failure *failure) {
  if (!take_strings(value, where, MAX_ARGUMENTS, 1, out, failure)) return false;
  return **out != NULL || fail(failure, "%s: must name a program", where);
}

static bool take_program(const struct json_value *value, const char *where, struct program *program,
                         struct failure *failure) {
  static const char *const keys[] = {"name", "argv", "log", "readOnlyPaths"};
  const struct json_value *members[4];
  return take_members(value, where, 4, keys, members, failure) &&
         take_name(members[0], member_of(where, "name").text, &program->name, failure) &&
         take_argv(members[1], member_of(where, "argv").text, &program->argv, failure) &&
         take_optional_path(members[2], member_of(where, "log").text, &program->log, failure) &&
         take_strings(members[3], member_of(where, "readOnlyPaths").text, MAX_READ_ONLY_PATHS, MAX_READ_ONLY_PATHS,
                      &program->read_only_paths, failure);
}

static bool take_helpers(const struct json_value *value, struct config *config, struct failure *failure) {
  if (!take_array(value, "helpers", MAX_HELPERS, &config->helper_count, failure)) return false;
  size_t i = 0;
  for (const struct json_value *element = value->first; element != NULL; element = element->next, i++) {
    if (!take_program(element, element_of("helpers", i).text, &config->helpers[i], failure)) return false;
  }
  return true;
}

static bool take_connection(const struct json_value *value, const char *where, struct connection *connection,
                            struct failure *failure) {
  static const char *const keys[] = {"path", "descriptor"};
  const struct json_value *members[2];
  int64_t descriptor = -1;
  if (!take_members(value, where, 2, keys, members, failure) ||
      !take_path(members[0], member_of(where, "path").text, MAX_SOCKET_PATH_BYTES, &connection->path, failure) ||
      !take_integer(members[1], member_of(where, "descriptor").text, MIN_PASSED_DESCRIPTOR, MAX_PASSED_DESCRIPTOR,
                    &descriptor, failure)) {
    return false;
  }
  connection->descriptor = (int)descriptor;
  return true;
}

static bool take_connections(const struct json_value *value, struct config *config, struct failure *failure) {
  if (!take_array(value, "connections", MAX_CONNECTIONS, &config->connection_count, failure)) return false;
  size_t i = 0;
  for (const struct json_value *element = value->first; element != NULL; element = element->next, i++) {
    struct place place = element_of("connections", i);
    if (!take_connection(element, place.text, &config->connections[i], failure)) return false;
    for (size_t other = 0; other < i; other++) {
      if (config->connections[other].descriptor == config->connections[i].descriptor) {
        return fail(failure, "%s.descriptor: used twice", place.text);
      }
    }
  }
  return true;
}

static bool take_config(const struct json_value *root, struct config *config, struct failure *failure) {
  static const char *const keys[MAX_KEYS] = {"version",     "statusFile",     "controlSocket", "onOwnerExit",
                                             "stopGraceMs", "startTimeoutMs", "runDirectory",  "helpers",
                                             "connections", "main"};
  const struct json_value *members[MAX_KEYS];
  int64_t version;
  if (!take_members(root, "", MAX_KEYS, keys, members, failure) ||
      !take_integer(members[0], "version", 1, 1, &version, failure) ||
      !take_path(members[1], "statusFile", MAX_PATH_BYTES, &config->status_file, failure) ||
      !take_path(members[2], "controlSocket", MAX_SOCKET_PATH_BYTES, &config->control_socket, failure) ||
      !take_owner_exit(members[3], &config->keep_on_owner_exit, failure) ||
      !take_integer(members[4], "stopGraceMs", 0, MAX_DURATION_MS, &config->stop_grace_ms, failure) ||
      !take_integer(members[5], "startTimeoutMs", 1, MAX_DURATION_MS, &config->start_timeout_ms, failure) ||
      !take_optional_path(members[6], "runDirectory", &config->run_directory, failure) ||
      !take_helpers(members[7], config, failure) || !take_connections(members[8], config, failure) ||
      !take_program(members[9], "main", &config->main, failure)) {
    return false;
  }
  return true;
}

bool config_parse(const char *bytes, size_t length, struct config *config, struct failure *failure) {
  memset(config, 0, sizeof *config);
  const struct json_value *root = json_read(&config->document, bytes, length);
  if (root == NULL) {
    return fail(failure, "configuration is not valid JSON: %s at byte %zu", config->document.error,
                config->document.error_at);
  }
  return take_config(root, config, failure);
}

static void free_program(struct program *program) {
  free(program->argv);
  free(program->read_only_paths);
}

void config_free(struct config *config) {
  for (size_t i = 0; i < MAX_HELPERS; i++) free_program(&config->helpers[i]);
  free_program(&config->main);
  json_free(&config->document);
}

static bool read_whole(const char *path, char *bytes, size_t capacity, size_t *length, struct failure *failure) {
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  struct stat info;
  if (file < 0 || fstat(file, &info) != 0) {
    fail(failure, "%s: %s", path, strerror(errno));
    if (file >= 0) close(file);
    return false;
  }
  if (!S_ISREG(info.st_mode)) {
    close(file);
    return fail(failure, "%s: not a regular file", path);
  }
  *length = 0;
  ssize_t got = 1;
  while (*length < capacity && (got = read(file, bytes + *length, capacity - *length)) != 0) {
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      fail(failure, "%s: %s", path, strerror(errno));
      close(file);
      return false;
    }
    *length += (size_t)got;
  }
  close(file);
  return *length < capacity || fail(failure, "%s: longer than %zu bytes", path, capacity - 1);
}

bool config_load(const char *path, struct config *config, struct failure *failure) {
  char *bytes = malloc(MAX_CONFIG_BYTES + 1);
  if (bytes == NULL) return fail(failure, "out of memory");
  size_t length = 0;
  bool loaded = read_whole(path, bytes, MAX_CONFIG_BYTES + 1, &length, failure) &&
                config_parse(bytes, length, config, failure);
  free(bytes);
  return loaded;
}
