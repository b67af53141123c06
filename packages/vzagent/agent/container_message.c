#include "container.h"
#include "names.h"
#include "root.h"
#include "spec.h"
#include "volumes.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

// Strings and mounts of a container, in one piece of memory.
struct arena {
  struct container_mount *mounts;
  char *text;
};

static char *copy(struct arena *arena, struct slice slice) {
  char *copied = arena->text;
  if (slice.length > 0) memcpy(copied, slice.data, slice.length);
  copied[slice.length] = '\0';
  arena->text += slice.length + 1;
  return copied;
}

static const struct fault *check(const char *what, struct slice slice, size_t longest) {
  if (slice.length > 0 && slice.length <= longest && slice_is_text(slice)) return NULL;
  return fault(FAILURE_KIND_INVALID, "%s is empty, longer than %zu bytes, or has a NUL byte", what, longest);
}

static const struct fault *check_root(const struct root *root) {
  const struct fault *failed = check("the root's lower source", root->lower_source, NAME_MAX);
  if (failed == NULL && root->upper == ROOT_UPPER_DISK) {
    failed = check("the root's upper source", root->upper_source, NAME_MAX);
  }
  return failed;
}

static const struct fault *check_mount(const struct mount_point *mount) {
  const struct fault *failed = check("a mount's target", mount->target, PATH_MAX - 1);
  if (failed == NULL && mount->target.data[0] != '/') {
    failed = fault(FAILURE_KIND_INVALID, "the mount target %.*s is not an absolute path", (int)mount->target.length,
                   (const char *)mount->target.data);
  }
  if (failed == NULL && mount->kind != MOUNT_KIND_TMPFS) failed = check("a mount's source", mount->source, NAME_MAX);
  if (failed == NULL && mount->subpath.present) failed = check("a mount's subpath", mount->subpath.value, PATH_MAX - 1);
  return failed;
}

static struct container_mount make_mount(struct arena *arena, const struct mount_point *mount) {
  return (struct container_mount){
      .kind = mount->kind,
      .source = copy(arena, mount->source),
      .subpath = mount->subpath.present ? copy(arena, mount->subpath.value) : NULL,
      .target = copy(arena, mount->target),
      .readonly = mount->readonly,
      .bytes = mount->bytes.present ? mount->bytes.value : 0,
      .mode = mount->mode.present ? mount->mode.value : 0,
  };
}

static struct container_root make_root(struct arena *arena, const struct root *root) {
  return (struct container_root){
      .lower = root->lower,
      .lower_source = copy(arena, root->lower_source),
      .upper = root->upper,
      .upper_source = copy(arena, root->upper_source),
      .upper_bytes = root->upper_bytes.present ? root->upper_bytes.value : 0,
      .readonly = root->readonly,
  };
}

static const struct fault *check_start(const struct start_message *start, size_t *text) {
  const struct fault *failed = check_root(&start->root);
  if (start->mounts.count > MOST_MOUNTS) return fault(FAILURE_KIND_INVALID, "more than %d mounts", MOST_MOUNTS);
  struct reader in = list_reader(start->mounts);
  struct mount_point mount;
  while (failed == NULL && mount_point_next(&in, &mount)) failed = check_mount(&mount);
  if (failed == NULL) failed = names_check(&start->names);
  // Of a mount at most three strings; their bytes are all within the message.
  *text = start->mounts.encoded.length + 3 * start->mounts.count + start->root.lower_source.length +
          start->root.upper_source.length + start->names.hostname.value.length + 8;
  return failed;
}

const struct fault *container_describe(const struct start_message *start, struct container *container) {
  size_t text = 0;
  *container = (struct container){0};
  const struct fault *failed = check_start(start, &text);
  if (failed != NULL) return failed;
  container->memory = malloc(start->mounts.count * sizeof(struct container_mount) + text);
  if (container->memory == NULL) return fault(FAILURE_KIND_EXHAUSTED, "out of memory");
  container->mounts = container->memory;
  struct arena arena = {.mounts = container->mounts, .text = (char *)(container->mounts + start->mounts.count)};
  struct reader in = list_reader(start->mounts);
  struct mount_point mount;
  while (mount_point_next(&in, &mount)) container->mounts[container->mount_count++] = make_mount(&arena, &mount);
  container->root = make_root(&arena, &start->root);
  container->hostname = start->names.hostname.present ? copy(&arena, start->names.hostname.value) : "localhost";
  failed = names_take(&start->names, container->hostname);
  if (failed != NULL) container_free(container);
  return failed;
}

const struct fault *container_describe_run(const struct share *shares, size_t count, struct container *container) {
  *container = (struct container){.root.booted = true, .hostname = "localhost"};
  if (!root_is_booted()) {
    return fault(FAILURE_KIND_NOT_FOUND, "there is no root: rootfstag= is not on the kernel command line");
  }
  container->mounts = container->memory = calloc(count + 1, sizeof(struct container_mount));
  if (container->memory == NULL) return fault(FAILURE_KIND_EXHAUSTED, "out of memory");
  for (size_t i = 0; i < count; i++) {
    container->mounts[container->mount_count++] = (struct container_mount){
        .kind = MOUNT_KIND_SHARE, .source = shares[i].tag, .target = shares[i].target, .readonly = shares[i].readonly};
  }
  const struct names nothing = {0};
  const struct fault *failed = names_take(&nothing, container->hostname);
  if (failed != NULL) container_free(container);
  return failed;
}

void container_free(struct container *container) {
  free(container->memory);
  *container = (struct container){0};
}
