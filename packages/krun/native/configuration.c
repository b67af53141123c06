#include "configuration.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "limits.h"

/* A value, and the key that it has. */
struct value {
  const struct json_value *json;
  const char *key;
};

static bool wrong(struct value value, const char *what, struct failure *failure) {
  return fail(failure, "%s: must be %s", value.key, what);
}

static bool as_object(struct value value, const char *const *keys, size_t count, struct failure *failure) {
  if (value.json->type != JSON_OBJECT) return wrong(value, "an object", failure);
  for (const struct json_value *at = value.json->first; at != NULL; at = at->next) {
    size_t i = 0;
    while (i < count && strcmp(keys[i], at->key) != 0) i++;
    if (i == count) return fail(failure, "%s: unknown key \"%.64s\"", value.key, at->key);
  }
  return true;
}

static bool member(struct value object, const char *key, struct value *out, struct failure *failure) {
  *out = (struct value){NULL, key};
  for (const struct json_value *at = object.json->first; at != NULL; at = at->next) {
    if (strcmp(at->key, key) != 0) continue;
    *out = (struct value){at, key};
    return true;
  }
  return fail(failure, "%s: missing", key);
}

static bool string_at(struct value object, const char *key, const char **out, struct failure *failure) {
  struct value value;
  if (!member(object, key, &value, failure)) return false;
  if (value.json->type != JSON_STRING) return wrong(value, "a string", failure);
  *out = value.json->string;
  return true;
}

static bool path_at(struct value object, const char *key, const char **out, struct failure *failure) {
  if (!string_at(object, key, out, failure)) return false;
  if ((*out)[0] == '/' && strlen(*out) <= MAX_PATH_BYTES) return true;
  return fail(failure, "%s: must be an absolute path", key);
}

static bool path_or_null_at(struct value object, const char *key, const char **out, struct failure *failure) {
  struct value value;
  if (!member(object, key, &value, failure)) return false;
  *out = NULL;
  return value.json->type == JSON_NULL || path_at(object, key, out, failure);
}

static bool flag_at(struct value object, const char *key, bool *out, struct failure *failure) {
  struct value value;
  if (!member(object, key, &value, failure)) return false;
  if (value.json->type != JSON_TRUE && value.json->type != JSON_FALSE) return wrong(value, "true or false", failure);
  *out = value.json->type == JSON_TRUE;
  return true;
}

static bool number_at(struct value object, const char *key, int64_t least, int64_t most, int64_t *out,
                      struct failure *failure) {
  struct value value;
  if (!member(object, key, &value, failure)) return false;
  *out = value.json->integer;
  if (value.json->type == JSON_INTEGER && *out >= least && *out <= most) return true;
  return fail(failure, "%s: must be an integer from %lld to %lld", key, (long long)least, (long long)most);
}

/* Calls `take` for each element; it may be called `most` times. */
static bool each(struct value object, const char *key, size_t most, struct configuration *out,
                 bool (*take)(struct value, struct configuration *, struct failure *), struct failure *failure) {
  struct value list;
  if (!member(object, key, &list, failure)) return false;
  if (list.json->type != JSON_ARRAY) return wrong(list, "an array", failure);
  size_t count = 0;
  for (const struct json_value *at = list.json->first; at != NULL; at = at->next) {
    if (count++ == most) return fail(failure, "%s: has more than %zu elements", key, most);
    if (!take((struct value){at, key}, out, failure)) return false;
  }
  return true;
}

#define KEYS(...) (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)

static bool take_share(struct value value, struct configuration *out, struct failure *failure) {
  struct share *share = &out->shares[out->share_count++];
  return as_object(value, KEYS("tag", "path", "readOnly"), failure) && string_at(value, "tag", &share->tag, failure) &&
         path_at(value, "path", &share->path, failure) && flag_at(value, "readOnly", &share->read_only, failure);
}

static bool take_disk(struct value value, struct configuration *out, struct failure *failure) {
  struct disk *disk = &out->disks[out->disk_count++];
  return as_object(value, KEYS("id", "path", "readOnly", "direct", "flushes"), failure) &&
         string_at(value, "id", &disk->id, failure) && path_at(value, "path", &disk->path, failure) &&
         flag_at(value, "readOnly", &disk->read_only, failure) && flag_at(value, "direct", &disk->direct, failure) &&
         flag_at(value, "flushes", &disk->flushes, failure);
}

static bool take_port(struct value value, struct configuration *out, struct failure *failure) {
  struct port *port = &out->ports[out->port_count++];
  int64_t number = 0;
  bool taken = as_object(value, KEYS("port", "path", "guestListens"), failure) &&
               number_at(value, "port", 1, UINT32_MAX - 1, &number, failure) &&
               path_at(value, "path", &port->path, failure) &&
               flag_at(value, "guestListens", &port->guest_listens, failure);
  port->number = (uint32_t)number;
  if (taken && strlen(port->path) > MAX_SOCKET_PATH_BYTES) {
    return fail(failure, "path: longer than %d bytes", MAX_SOCKET_PATH_BYTES);
  }
  return taken;
}

static bool take_word(struct value value, struct configuration *out, struct failure *failure) {
  if (value.json->type != JSON_STRING) return wrong(value, "strings", failure);
  /* libkrun puts it into the kernel's command line, in quotes. */
  if (strchr(value.json->string, '"') != NULL) return wrong(value, "without quotes", failure);
  size_t count = 0;
  while (out->environment[count] != NULL) count++;
  out->environment[count] = value.json->string;
  return true;
}

static bool take_path(struct value value, const char **paths, size_t *count, struct failure *failure) {
  if (value.json->type != JSON_STRING || value.json->string[0] != '/') return wrong(value, "absolute paths", failure);
  paths[(*count)++] = value.json->string;
  return true;
}

static bool take_read_only(struct value value, struct configuration *out, struct failure *failure) {
  return take_path(value, out->read_only, &out->read_only_count, failure);
}

static bool take_read_write(struct value value, struct configuration *out, struct failure *failure) {
  return take_path(value, out->read_write, &out->read_write_count, failure);
}

static bool take_kernel(struct value root, struct configuration *out, struct failure *failure) {
  struct value kernel;
  int64_t format = 0;
  if (!member(root, "kernel", &kernel, failure)) return false;
  if (kernel.json->type == JSON_NULL) return true;
  bool taken = as_object(kernel, KEYS("path", "format", "initramfs", "commandLine"), failure) &&
               path_at(kernel, "path", &out->kernel, failure) &&
               number_at(kernel, "format", 0, 5, &format, failure) &&
               path_at(kernel, "initramfs", &out->initramfs, failure) &&
               string_at(kernel, "commandLine", &out->command_line, failure);
  out->kernel_format = (uint32_t)format;
  return taken;
}

static bool take_mac(const char *text, uint8_t mac[6]) {
  for (int i = 0; i < 6; i++) {
    char *end;
    mac[i] = (uint8_t)strtoul(text, &end, 16);
    if (end != text + 2 || *end != (i < 5 ? ':' : '\0')) return false;
    text = end + 1;
  }
  return true;
}

static bool take_network(struct value root, struct configuration *out, struct failure *failure) {
  struct value network;
  const char *mac;
  int64_t descriptor = -1;
  out->network = -1;
  if (!member(root, "network", &network, failure)) return false;
  if (network.json->type == JSON_NULL) return true;
  if (!as_object(network, KEYS("descriptor", "mac"), failure) || !string_at(network, "mac", &mac, failure) ||
      !number_at(network, "descriptor", MIN_PASSED_DESCRIPTOR, MAX_PASSED_DESCRIPTOR, &descriptor, failure)) {
    return false;
  }
  out->network = (int)descriptor;
  return take_mac(mac, out->mac) || fail(failure, "mac: must be an address such as 02:00:00:00:00:01");
}

static bool take(struct value root, struct configuration *out, struct failure *failure) {
  int64_t version, cpus, memory, console;
  if (!as_object(root,
                 KEYS("version", "library", "cpus", "memoryMib", "kernel", "root", "environment", "shares", "disks",
                      "ports", "network", "console", "readOnlyPaths", "readWritePaths"),
                 failure) ||
      !number_at(root, "version", 1, 1, &version, failure) ||
      !path_or_null_at(root, "library", &out->library, failure) ||
      !number_at(root, "cpus", 1, UINT8_MAX, &cpus, failure) ||
      !number_at(root, "memoryMib", 1, 16 * 1024 * 1024, &memory, failure) || !take_kernel(root, out, failure) ||
      !path_or_null_at(root, "root", &out->root, failure) ||
      !each(root, "environment", MAX_ENVIRONMENT, out, take_word, failure) ||
      !each(root, "shares", MAX_DEVICES, out, take_share, failure) ||
      !each(root, "disks", MAX_DEVICES, out, take_disk, failure) ||
      !each(root, "ports", MAX_PORTS, out, take_port, failure) || !take_network(root, out, failure) ||
      !number_at(root, "console", MIN_PASSED_DESCRIPTOR, MAX_PASSED_DESCRIPTOR, &console, failure) ||
      !each(root, "readOnlyPaths", MAX_JAIL_PATHS, out, take_read_only, failure) ||
      !each(root, "readWritePaths", MAX_JAIL_PATHS, out, take_read_write, failure)) {
    return false;
  }
  out->cpus = (uint8_t)cpus;
  out->memory_mib = (uint32_t)memory;
  out->console = (int)console;
  if ((out->kernel == NULL) == (out->root == NULL)) return fail(failure, "root: there must be it or a kernel");
  return true;
}

static char *read_whole(const char *path, size_t *length, struct failure *failure) {
  FILE *file = fopen(path, "re");
  char *bytes = malloc(MAX_CONFIG_BYTES + 1);
  if (file == NULL || bytes == NULL) {
    fail(failure, "%s: %s", path, strerror(errno));
    if (file != NULL) fclose(file);
    free(bytes);
    return NULL;
  }
  *length = fread(bytes, 1, MAX_CONFIG_BYTES + 1, file);
  bool failed = ferror(file) != 0;
  fclose(file);
  if (!failed && *length <= MAX_CONFIG_BYTES) return bytes;
  fail(failure, failed ? "%s: cannot be read" : "%s: too long", path);
  free(bytes);
  return NULL;
}

bool configuration_load(const char *path, struct configuration *out, struct failure *failure) {
  static struct json_document document; /* it holds the strings */
  size_t length;
  char *bytes = read_whole(path, &length, failure);
  if (bytes == NULL) return false;
  memset(out, 0, sizeof *out);
  const struct json_value *root = json_read(&document, bytes, length);
  bool taken = root == NULL ? fail(failure, "configuration is not valid JSON: %s at byte %zu", document.error,
                                   document.error_at)
                            : take((struct value){root, "configuration"}, out, failure);
  free(bytes);
  return taken;
}
