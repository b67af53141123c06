#include "fault.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static struct fault current;

const struct fault *fault(enum failure_kind kind, const char *format, ...) {
  va_list values;
  va_start(values, format);
  current.kind = kind;
  vsnprintf(current.text, sizeof current.text, format, values);
  va_end(values);
  return &current;
}

const struct fault *fault_before(const struct fault *reason, const char *format, ...) {
  struct fault before = {.kind = reason->kind};
  va_list values;
  va_start(values, format);
  int length = vsnprintf(before.text, sizeof before.text, format, values);
  va_end(values);
  if (length >= 0 && (size_t)length < sizeof before.text) {
    size_t room = sizeof before.text - (size_t)length;
    snprintf(before.text + length, room, ": %.*s", (int)room, reason->text);
  }
  current = before;
  return &current;
}

enum failure_kind failure_kind_of(int error) {
  switch (error) {
    case ENOENT:
    case ENODEV:
    case ENXIO: return FAILURE_KIND_NOT_FOUND;
    case ENOMEM:
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case EAGAIN: return FAILURE_KIND_EXHAUSTED;
    case ECONNREFUSED: return FAILURE_KIND_REFUSED;
    case ENOSYS:
    case EOPNOTSUPP:
    case EPROTONOSUPPORT: return FAILURE_KIND_UNSUPPORTED;
    case EINVAL:
    case ELOOP:
    case ENAMETOOLONG:
    case ENOTDIR:
    case EISDIR: return FAILURE_KIND_INVALID;
    default: return FAILURE_KIND_INTERNAL;
  }
}
