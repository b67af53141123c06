#include "program.h"

#include "text.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool is_elf(const char *file) {
  char magic[SELFMAG];
  int fd = open(file, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  bool elf = read(fd, magic, sizeof magic) == (ssize_t)sizeof magic && memcmp(magic, ELFMAG, SELFMAG) == 0;
  close(fd);
  return elf;
}

// What the kernel's error for this file means to somebody who did not write the call.
static const char *reason(const char *file, int error) {
  struct stat found;
  bool exists = stat(file, &found) == 0;
  if (error == ENOENT) return exists ? "the interpreter or loader that it names is not found" : "not found";
  if (error == EACCES && exists && S_ISDIR(found.st_mode)) return "permission denied: it is a directory";
  if (error == EACCES && exists && (found.st_mode & 0111) == 0) return "permission denied: not executable";
  if (error == ENOEXEC && is_elf(file)) return "exec format error: a program for another architecture";
  if (error == ENOEXEC) return "exec format error: neither a program nor a script with a #! line";
  return error == EACCES ? "permission denied" : strerror(error);
}

// Names that lead to no program are one kind, programs that cannot be run the other: a shell's 127 and 126.
static enum failure_kind kind_of(int error) {
  switch (error) {
    case ENOTDIR: return FAILURE_KIND_NOT_FOUND;
    case ENOENT: return FAILURE_KIND_NOT_FOUND;
    case E2BIG: return FAILURE_KIND_INVALID;
    case ENOMEM: return FAILURE_KIND_EXHAUSTED;
    default: return FAILURE_KIND_NOT_EXECUTABLE;
  }
}

static const struct fault *exec_file(const struct spec *spec, const char *file) {
  execve(file, spec->argv, spec->env);
  int error = errno;
  struct stat found;
  // A script whose interpreter is missing is there, and cannot be run.
  enum failure_kind kind = stat(file, &found) == 0 && error == ENOENT ? FAILURE_KIND_NOT_EXECUTABLE : kind_of(error);
  return fault(kind, "exec \"%s\": %s", file, reason(file, error));
}

static bool is_file(const char *path) {
  struct stat found;
  return stat(path, &found) == 0 && !S_ISDIR(found.st_mode);
}

const struct fault *program_exec(const struct spec *spec) {
  const char *name = spec->argv[0];
  if (name[0] == '\0') return fault(FAILURE_KIND_INVALID, "exec \"\": argv[0] is empty");
  if (strchr(name, '/') != NULL) return exec_file(spec, name);
  char candidate[PATH_MAX], unusable[PATH_MAX] = "";
  for (const char *folder = spec_path(spec);; folder++) {
    size_t length = strcspn(folder, ":");
    const char *shown = length == 0 ? "." : folder;
    int written = text_format(candidate, sizeof candidate, "%.*s/%s", length == 0 ? 1 : (int)length, shown, name);
    if (written > 0 && (size_t)written < sizeof candidate && is_file(candidate)) {
      if (syscall(SYS_faccessat2, AT_FDCWD, candidate, X_OK, AT_EACCESS) == 0) return exec_file(spec, candidate);
      if (unusable[0] == '\0') memcpy(unusable, candidate, sizeof unusable);
    }
    folder += length;
    if (*folder == '\0') break;
  }
  if (unusable[0] != '\0') {
    return fault(FAILURE_KIND_NOT_EXECUTABLE, "exec \"%s\": %s", unusable, reason(unusable, EACCES));
  }
  return fault(FAILURE_KIND_NOT_FOUND, "exec \"%s\": not found in PATH (%s)", name, spec_path(spec));
}
