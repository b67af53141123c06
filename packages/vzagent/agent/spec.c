#include "spec.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// The kernel takes at most a quarter of an 8 MiB stack for strings and their pointers.
enum { MOST_STRINGS = 256 * 1024 };

bool slice_is_text(struct slice slice) { return slice.length == 0 || memchr(slice.data, 0, slice.length) == NULL; }

struct arena {
  char **pointers;
  char *text;
};

// Copies a slice behind the text that is there already; no terminator yet.
static void add_text(struct arena *arena, struct slice slice) {
  memcpy(arena->text, slice.data, slice.length);
  arena->text += slice.length;
}

static void end_text(struct arena *arena) { *arena->text++ = '\0'; }

static const char *add_argv(struct arena *arena, struct list argv) {
  struct reader in = {.at = argv.encoded.data, .end = argv.encoded.data + argv.encoded.length};
  for (uint64_t i = 0; i < argv.count; i++) {
    struct slice argument;
    if (!read_string(&in, &argument) || !slice_is_text(argument)) return "argv has a string with a NUL byte";
    *arena->pointers++ = arena->text;
    add_text(arena, argument);
    end_text(arena);
  }
  *arena->pointers++ = NULL;
  return NULL;
}

static const char *add_env(struct arena *arena, struct list env) {
  struct reader in = {.at = env.encoded.data, .end = env.encoded.data + env.encoded.length};
  for (uint64_t i = 0; i < env.count; i++) {
    struct slice name, value;
    if (!read_string(&in, &name) || !read_string(&in, &value)) return "env is malformed";
    if (!slice_is_text(name) || !slice_is_text(value)) return "env has a string with a NUL byte";
    if (name.length == 0 || memchr(name.data, '=', name.length) != NULL) return "env has a name that is empty or has a =";
    *arena->pointers++ = arena->text;
    add_text(arena, name);
    *arena->text++ = '=';
    add_text(arena, value);
    end_text(arena);
  }
  *arena->pointers++ = NULL;
  return NULL;
}

// The last PATH counts, as it does for a shell. Without one the default is added in the slot kept for it.
static char *path_of(char **env, uint64_t count) {
  static char default_entry[] = "PATH=" DEFAULT_PATH;
  for (uint64_t i = count; i > 0; i--) {
    if (strncmp(env[i - 1], "PATH=", 5) == 0) return env[i - 1] + 5;
  }
  env[count] = default_entry;
  env[count + 1] = NULL;
  return default_entry + 5;
}

static const char *fill(const struct run_message *run, struct spec *spec, struct arena arena) {
  spec->argv = arena.pointers;
  const char *fault = add_argv(&arena, run->argv);
  if (fault != NULL) return fault;
  spec->env = arena.pointers;
  fault = add_env(&arena, run->env);
  if (fault != NULL) return fault;
  spec->path = path_of(spec->env, run->env.count);
  spec->cwd = arena.text;
  if (run->cwd.present && run->cwd.value.length > 0) {
    if (!slice_is_text(run->cwd.value)) return "cwd has a NUL byte";
    if (run->cwd.value.data[0] != '/') return "cwd is not an absolute path";
    add_text(&arena, run->cwd.value);
  } else {
    *arena.text++ = '/';
  }
  end_text(&arena);
  spec->uid = run->uid;
  spec->gid = run->gid;
  return NULL;
}

const char *spec_make(const struct run_message *run, struct spec *spec) {
  *spec = (struct spec){0};
  if (run->argv.count == 0) return "argv is empty: there is nothing to run";
  if (run->argv.count > MOST_STRINGS || run->env.count > MOST_STRINGS) return "argv and env: argument list too long";
  // Both ids' highest value means "leave it as it is" to the kernel: the workload would stay root.
  if (run->uid == UINT32_MAX || run->gid == UINT32_MAX) return "uid and gid must be below 4294967295";
  // Two ends and a PATH beside what the message brings; each string grows by a terminator, each pair by `=` as well.
  size_t pointers = ((size_t)run->argv.count + (size_t)run->env.count + 3) * sizeof(char *);
  size_t text = run->argv.encoded.length + run->env.encoded.length + run->cwd.value.length +
                (size_t)run->argv.count + (size_t)run->env.count * 2 + 2;
  spec->memory = malloc(pointers + text);
  if (spec->memory == NULL) return "out of memory";
  struct arena arena = {.pointers = spec->memory, .text = (char *)spec->memory + pointers};
  const char *fault = fill(run, spec, arena);
  if (fault != NULL) spec_free(spec);
  return fault;
}

void spec_free(struct spec *spec) {
  free(spec->memory);
  *spec = (struct spec){0};
}
