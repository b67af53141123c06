/*
 * Debian's blocks runtime copies a block without keeping the objects that it refers to; a Mac's keeps them. Compiled code
 * calls these two by name, and finds them here before it finds the runtime's.
 */
#include <dlfcn.h>

#import <Foundation/Foundation.h>

enum { FIELD_KIND = 15, FIELD_IS_OBJECT = 3, BYREF_CALLER = 128 };

static bool isObject(int flags) { return (flags & BYREF_CALLER) == 0 && (flags & FIELD_KIND) == FIELD_IS_OBJECT; }

extern "C" void _Block_object_assign(void *place, const void *object, const int flags) {
  using Assign = void (*)(void *, const void *, int);
  static auto next = (Assign)dlsym(RTLD_NEXT, "_Block_object_assign");
  if (!isObject(flags)) return next(place, object, flags);
  *(id *)place = [(id)object retain];
}

extern "C" void _Block_object_dispose(const void *object, const int flags) {
  using Dispose = void (*)(const void *, int);
  static auto next = (Dispose)dlsym(RTLD_NEXT, "_Block_object_dispose");
  if (!isObject(flags)) return next(object, flags);
  [(id)object release];
}
