#include "spec.h"

#include "capabilities.h"
#include "rlimits.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

enum {
  MOST_STRINGS = 256 * 1024,  // the kernel takes at most a quarter of an 8 MiB stack for strings and their pointers
  MOST_GROUPS = 65536,        // NGROUPS_MAX
  MOST_LIMITS = 64,
  IDS_TEXT = 24,              // two numbers and a colon
  LEGACY_SPOOL = 256 * 1024,
};

bool slice_is_text(struct slice slice) { return slice.length == 0 || memchr(slice.data, 0, slice.length) == NULL; }

struct arena {
  char **pointers;
  char *text;
};

// Copies a slice behind the text that is there already; no terminator yet.
static void add_text(struct arena *arena, struct slice slice) {
  if (slice.length > 0) memcpy(arena->text, slice.data, slice.length);
  arena->text += slice.length;
}

static void end_text(struct arena *arena) { *arena->text++ = '\0'; }

static char *copy(struct arena *arena, struct slice slice) {
  char *copied = arena->text;
  add_text(arena, slice);
  end_text(arena);
  return copied;
}

static const struct fault *add_strings(struct arena *arena, struct list list, const char *what) {
  struct reader in = list_reader(list);
  struct slice string;
  while (string_next(&in, &string)) {
    if (!slice_is_text(string)) return fault(FAILURE_KIND_INVALID, "%s has a string with a NUL byte", what);
    *arena->pointers++ = copy(arena, string);
  }
  *arena->pointers++ = NULL;
  return NULL;
}

static const struct fault *add_env(struct arena *arena, struct list env) {
  struct reader in = list_reader(env);
  struct string_pair pair;
  while (string_pair_next(&in, &pair)) {
    if (!slice_is_text(pair.first) || !slice_is_text(pair.second)) {
      return fault(FAILURE_KIND_INVALID, "env has a string with a NUL byte");
    }
    if (pair.first.length == 0 || memchr(pair.first.data, '=', pair.first.length) != NULL) {
      return fault(FAILURE_KIND_INVALID, "env has a name that is empty or has a =");
    }
    *arena->pointers++ = arena->text;
    add_text(arena, pair.first);
    *arena->text++ = '=';
    add_text(arena, pair.second);
    end_text(arena);
  }
  *arena->pointers = NULL;
  arena->pointers += SPEC_MORE_ENV + 1;
  return NULL;
}

static const struct fault *add_limits(struct spec *spec, struct list limits) {
  struct reader in = list_reader(limits);
  struct resource_limit limit;
  while (resource_limit_next(&in, &limit)) {
    struct spec_limit *added = &spec->limits[spec->limit_count++];
    added->resource = rlimit_number(limit.resource);
    if (added->resource < 0) {
      return fault(FAILURE_KIND_INVALID, "\"%.*s\" is no resource limit of Linux", (int)limit.resource.length,
                   (const char *)limit.resource.data);
    }
    added->value.rlim_cur = limit.soft.present ? limit.soft.value : RLIM_INFINITY;
    added->value.rlim_max = limit.hard.present ? limit.hard.value : RLIM_INFINITY;
  }
  return NULL;
}

// What the three messages have in common, with what the legacy ones lack as their hosts expect it.
struct request {
  struct list argv;
  struct list env;
  struct optional_slice cwd;
  struct slice user;
  struct list groups;
  struct list rlimits;
};

static const struct fault *check(const struct request *request) {
  if (request->argv.count == 0) return fault(FAILURE_KIND_INVALID, "argv is empty: there is nothing to run");
  if (request->argv.count > MOST_STRINGS || request->env.count > MOST_STRINGS) {
    return fault(FAILURE_KIND_INVALID, "argv and env: argument list too long");
  }
  if (request->groups.count > MOST_GROUPS) return fault(FAILURE_KIND_INVALID, "more than %d groups", MOST_GROUPS);
  if (request->rlimits.count > MOST_LIMITS) {
    return fault(FAILURE_KIND_INVALID, "more than %d resource limits", MOST_LIMITS);
  }
  if (!slice_is_text(request->user)) return fault(FAILURE_KIND_INVALID, "user has a NUL byte");
  if (!request->cwd.present || request->cwd.value.length == 0) return NULL;
  if (!slice_is_text(request->cwd.value)) return fault(FAILURE_KIND_INVALID, "cwd has a NUL byte");
  if (request->cwd.value.data[0] != '/') return fault(FAILURE_KIND_INVALID, "cwd is not an absolute path");
  return NULL;
}

static const struct fault *fill(const struct request *request, struct spec *spec, struct arena arena) {
  spec->argv = arena.pointers;
  const struct fault *failed = add_strings(&arena, request->argv, "argv");
  if (failed != NULL) return failed;
  spec->env = arena.pointers;
  spec->env_count = (size_t)request->env.count;
  failed = add_env(&arena, request->env);
  if (failed != NULL) return failed;
  spec->groups = arena.pointers;
  failed = add_strings(&arena, request->groups, "groups");
  if (failed != NULL) return failed;
  bool has_cwd = request->cwd.present && request->cwd.value.length > 0;
  spec->cwd = copy(&arena, has_cwd ? request->cwd.value : (struct slice){.data = (const uint8_t *)"/", .length = 1});
  spec->user = copy(&arena, request->user);
  return add_limits(spec, request->rlimits);
}

static const struct fault *make(const struct request *request, struct spec *spec) {
  const struct fault *failed = check(request);
  if (failed != NULL) return failed;
  size_t limits = (size_t)request->rlimits.count * sizeof(struct spec_limit);
  // Three ends beside what the message brings; each string grows by a terminator, each pair by `=` as well.
  size_t strings = (size_t)(request->argv.count + request->env.count + request->groups.count);
  size_t pointers = (strings + 3 + SPEC_MORE_ENV) * sizeof(char *);
  size_t text = request->argv.encoded.length + request->env.encoded.length + request->groups.encoded.length +
                request->cwd.value.length + request->user.length + 2 * strings + 4;
  spec->memory = malloc(limits + pointers + text);
  if (spec->memory == NULL) return fault(FAILURE_KIND_EXHAUSTED, "out of memory");
  spec->limits = spec->memory;
  char *behind = (char *)spec->memory + limits;
  failed = fill(request, spec, (struct arena){.pointers = (char **)behind, .text = behind + pointers});
  if (failed != NULL) spec_free(spec);
  return failed;
}

const struct fault *spec_of_process(const struct process_spec *process, struct spec *spec) {
  *spec = (struct spec){
      .capabilities = process->capabilities,
      .no_new_privileges = process->no_new_privileges,
      .has_tty = process->tty.present,
      .tty = process->tty.value,
      .has_stdin = process->stdin_,
      .spool_bytes = process->spool_bytes,
      .when_full = process->when_full,
  };
  const struct request request = {.argv = process->argv,
                                  .env = process->env,
                                  .cwd = process->cwd,
                                  .user = process->user,
                                  .groups = process->groups,
                                  .rlimits = process->rlimits};
  return make(&request, spec);
}

static struct spec legacy(void) {
  return (struct spec){
      .capabilities = CAPABILITIES_DEFAULT, .has_stdin = true, .spool_bytes = LEGACY_SPOOL, .legacy = true};
}

// Both ids' highest value means "leave it as it is" to the kernel: the program would stay root.
static const struct fault *check_ids(uint32_t uid, uint32_t gid) {
  if (uid != UINT32_MAX && gid != UINT32_MAX) return NULL;
  return fault(FAILURE_KIND_INVALID, "uid and gid must be below 4294967295");
}

const struct fault *spec_of_run(const struct run_message *run, struct spec *spec) {
  *spec = legacy();
  const struct fault *failed = check_ids(run->uid, run->gid);
  if (failed != NULL) return failed;
  char ids[IDS_TEXT];
  text_format(ids, sizeof ids, "%u:%u", run->uid, run->gid);
  const struct request request = {.argv = run->argv, .env = run->env, .cwd = run->cwd, .user = text_slice(ids)};
  return make(&request, spec);
}

const struct fault *spec_of_exec(const struct exec_message *exec, struct spec *spec) {
  *spec = legacy();
  spec->login_names = true;
  uint32_t uid = exec->uid.present ? exec->uid.value : 0;
  const struct fault *failed = check_ids(uid, exec->gid.present ? exec->gid.value : 0);
  if (failed != NULL) return failed;
  char ids[IDS_TEXT] = "";
  if (exec->gid.present) {
    text_format(ids, sizeof ids, "%u:%u", uid, exec->gid.value);
  } else if (exec->uid.present) {
    text_format(ids, sizeof ids, "%u", uid);
  }
  struct request request = {.argv = exec->argv, .env = exec->env, .cwd = exec->cwd, .user = text_slice(ids)};
  // The host gives numbers beside a name as far as it knows them; the name says more.
  if (exec->user.present && exec->user.value.length > 0) request.user = exec->user.value;
  return make(&request, spec);
}

void spec_free(struct spec *spec) {
  free(spec->memory);
  *spec = (struct spec){0};
}

// The last one counts, as it does for a shell.
static const char *env_value(const struct spec *spec, const char *name) {
  size_t length = strlen(name);
  for (size_t i = spec->env_count; i > 0; i--) {
    if (strncmp(spec->env[i - 1], name, length) == 0 && spec->env[i - 1][length] == '=') {
      return spec->env[i - 1] + length + 1;
    }
  }
  return NULL;
}

bool spec_has_env(const struct spec *spec, const char *name) { return env_value(spec, name) != NULL; }

const char *spec_path(const struct spec *spec) {
  const char *path = env_value(spec, "PATH");
  return path == NULL ? DEFAULT_PATH : path;
}
