#include "library.h"

#include <dlfcn.h>
#include <string.h>

/* Homebrew's places, then wherever the loader looks. */
#ifdef __APPLE__
static const char *const NAMES[] = {"/opt/homebrew/lib/libkrun.1.dylib", "/opt/homebrew/lib/libkrun.dylib",
                                    "/usr/local/lib/libkrun.1.dylib", "/usr/local/lib/libkrun.dylib",
                                    "libkrun.1.dylib", "libkrun.dylib"};
#else
static const char *const NAMES[] = {"libkrun.so.1", "/usr/local/lib/libkrun.so.1", "/usr/local/lib64/libkrun.so.1"};
#endif

enum need { required, optional };

static void find(struct library *library, void *handle, enum need need, const char *name, void *place) {
  void *symbol = dlsym(handle, name);
  memcpy(place, &symbol, sizeof symbol);
  if (symbol == NULL && need == required && library->missing == NULL) library->missing = name;
}

static void find_all(struct library *library, void *handle) {
#define FIND(need, result, name, parameters) find(library, handle, need, #name, &library->api.name);
  KRUN_FUNCTIONS(FIND)
#undef FIND
}

bool library_load(struct library *library, const char *path, struct failure *failure) {
  const char *const given[] = {path};
  const char *const *names = path == NULL ? NAMES : given;
  size_t count = path == NULL ? sizeof NAMES / sizeof NAMES[0] : 1;
  char why[2048] = "";
  memset(library, 0, sizeof *library);
  for (size_t i = 0; i < count; i++) {
    void *handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (handle != NULL) {
      library->path = names[i];
      find_all(library, handle);
      return true;
    }
    const char *error = dlerror();
    if (why[0] == '\0') strncat(why, error == NULL ? names[i] : error, sizeof why - 1);
  }
  return fail(failure, "%s", why);
}

const char *library_version(const struct library *library) {
  if (library->missing != NULL) return NULL;
  if (library->api.krun_disable_implicit_init != NULL) return "1.19";
  return library->api.krun_add_virtiofs3 != NULL ? "1.18" : "1.17";
}
