#include "probe.h"

#include <stdio.h>

#include "jail.h"
#include "library.h"
#include "text.h"

static int print(struct text *line, int code) {
  text_add(line, "}\n");
  return fwrite(line->bytes, 1, line->length, stdout) == line->length && fflush(stdout) == 0 ? code : 1;
}

static int refuse(struct text *line, const char *error, const char *message) {
  text_add(line, "{\"error\":");
  text_add_json(line, error);
  text_add(line, ",\"message\":");
  text_add_json(line, message);
  return print(line, 1);
}

static void add_flag(struct text *line, const char *name, bool value) {
  text_add(line, ",");
  text_add_json(line, name);
  text_add(line, value ? ":true" : ":false");
}

int probe(const char *path) {
  static char bytes[16384];
  struct text line = {bytes, 0, sizeof bytes, false};
  struct failure failure = {""};
  struct library library;
  if (!library_load(&library, path, &failure)) return refuse(&line, "not-found", failure.message);
  const char *version = library_version(&library);
  if (version == NULL) return refuse(&line, "too-old", library.missing);
  const struct krun_api *api = &library.api;
  text_add(&line, "{\"library\":");
  text_add_json(&line, library.path);
  text_add(&line, ",\"version\":");
  text_add_json(&line, version);
  add_flag(&line, "net", api->krun_has_feature(KRUN_FEATURE_NET) == 1 && api->krun_add_net_unixstream != NULL);
  add_flag(&line, "blk", api->krun_has_feature(KRUN_FEATURE_BLK) == 1 && api->krun_add_disk != NULL);
  add_flag(&line, "gpu", api->krun_has_feature(KRUN_FEATURE_GPU) == 1);
  add_flag(&line, "diskModes", api->krun_add_disk3 != NULL);
  add_flag(&line, "readOnlyShares", api->krun_add_virtiofs3 != NULL);
  add_flag(&line, "ownInit", api->krun_disable_implicit_init != NULL);
  add_flag(&line, "jail", jail_is_there());
  text_add(&line, ",\"maxCpus\":");
  int32_t cpus = api->krun_get_max_vcpus == NULL ? 0 : api->krun_get_max_vcpus();
  text_add_integer(&line, cpus > 0 ? cpus : 0);
  return print(&line, 0);
}
