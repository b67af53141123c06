#include "fault.h"

#include "text.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

static struct fault current;

// `length` is what the text before it has, or would have.
static void add_reason(struct fault *fault, int length, const char *reason) {
  if ((size_t)length >= sizeof fault->text) return;
  text_format(fault->text + length, sizeof fault->text - (size_t)length, ": %s", reason);
}

const struct fault *fault(enum failure_kind kind, const char *format, ...) {
  va_list values;
  va_start(values, format);
  current.kind = kind;
  text_format_list(current.text, sizeof current.text, format, values);
  va_end(values);
  return &current;
}

const struct fault *fault_errno(const char *format, ...) {
  int error = errno;
  va_list values;
  va_start(values, format);
  int length = text_format_list(current.text, sizeof current.text, format, values);
  va_end(values);
  current.kind = failure_kind_of(error);
  add_reason(&current, length, strerror(error));
  return &current;
}

const struct fault *fault_before(const struct fault *reason, const char *format, ...) {
  struct fault before = {.kind = reason->kind};
  va_list values;
  va_start(values, format);
  int length = text_format_list(before.text, sizeof before.text, format, values);
  va_end(values);
  add_reason(&before, length, reason->text);
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
