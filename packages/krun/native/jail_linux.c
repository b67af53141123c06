#ifdef __linux__
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/landlock.h>

#include "jail.h"

/* What the headers of older systems lack. The kernel says by its version of the interface what it knows. */
#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif
#ifndef LANDLOCK_ACCESS_FS_IOCTL_DEV
#define LANDLOCK_ACCESS_FS_IOCTL_DEV (1ULL << 15)
#endif

enum { ABI_REFER = 2, ABI_TRUNCATE = 3, ABI_NETWORK = 4, ABI_IOCTL = 5, ABI_SCOPE = 6 };

struct ruleset {
  uint64_t handled_access_fs;
  uint64_t handled_access_net; /* both kinds of TCP access, from ABI 4 on */
  uint64_t scoped;             /* abstract Unix sockets, and signals, from ABI 6 on */
};

static const uint64_t READ = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
static const uint64_t FILES = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                              LANDLOCK_ACCESS_FS_TRUNCATE | LANDLOCK_ACCESS_FS_IOCTL_DEV;
static const uint64_t FIRST_ABI = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;

/* What a program reads of the system: its libraries, firmware, and what the kernel tells. */
static const char *const SYSTEM[] = {"/usr", "/lib",  "/lib32", "/lib64", "/bin", "/sbin", "/etc/ld.so.cache",
                                     "/nix/store", "/proc", "/sys", "/dev/urandom", "/dev/random"};
static const char *const DEVICES[] = {"/dev/kvm", "/dev/null", "/dev/zero", "/dev/full"};

static long abi(void) {
  return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

static uint64_t known_rights(long version) {
  uint64_t rights = FIRST_ABI;
  if (version >= ABI_REFER) rights |= LANDLOCK_ACCESS_FS_REFER;
  if (version >= ABI_TRUNCATE) rights |= LANDLOCK_ACCESS_FS_TRUNCATE;
  if (version >= ABI_IOCTL) rights |= LANDLOCK_ACCESS_FS_IOCTL_DEV;
  return rights;
}

static bool allow(int ruleset, const char *path, uint64_t rights, struct failure *failure) {
  struct stat info;
  int place = open(path, O_PATH | O_CLOEXEC);
  if (place < 0 || fstat(place, &info) != 0) {
    int error = errno;
    if (place >= 0) close(place);
    return fail(failure, "jail: %s: %s", path, strerror(error));
  }
  struct landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = place};
  if (!S_ISDIR(info.st_mode)) rule.allowed_access &= FILES;
  int refused = (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
  int error = errno;
  close(place);
  return refused == 0 || fail(failure, "jail: %s: %s", path, strerror(error));
}

/* What of a list is there; a system does not have all of it. */
static bool allow_system(int ruleset, const char *const *paths, size_t count, uint64_t rights, struct failure *failure) {
  for (size_t i = 0; i < count; i++) {
    if (access(paths[i], F_OK) == 0 && !allow(ruleset, paths[i], rights, failure)) return false;
  }
  return true;
}

static bool allow_all(int ruleset, const struct jail *jail, uint64_t known, struct failure *failure) {
  uint64_t read = READ & known;
  if (!allow_system(ruleset, SYSTEM, sizeof SYSTEM / sizeof SYSTEM[0], read, failure)) return false;
  if (!allow_system(ruleset, DEVICES, sizeof DEVICES / sizeof DEVICES[0], known, failure)) return false;
  for (size_t i = 0; i < jail->read_only_count; i++) {
    if (!allow(ruleset, jail->read_only[i], read, failure)) return false;
  }
  for (size_t i = 0; i < jail->read_write_count; i++) {
    if (!allow(ruleset, jail->read_write[i], known, failure)) return false;
  }
  return true;
}

bool jail_is_there(void) { return abi() > 0; }

bool jail_enter(const struct jail *jail, struct failure *failure) {
  long version = abi();
  if (version < 1) return fail(failure, "jail: this kernel has no Landlock: %s", strerror(errno));
  uint64_t known = known_rights(version);
  struct ruleset attributes = {.handled_access_fs = known};
  /* The kernel refuses more than it knows. */
  size_t size = sizeof attributes.handled_access_fs;
  if (version >= ABI_NETWORK) size = offsetof(struct ruleset, scoped);
  if (version >= ABI_SCOPE) size = sizeof attributes;
  if (version >= ABI_NETWORK && !jail->network) attributes.handled_access_net = 3; /* to bind and to connect: nobody may */
  if (version >= ABI_SCOPE) attributes.scoped = 3;                                 /* nobody outside is reached */
  int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, size, 0);
  if (ruleset < 0) return fail(failure, "jail: %s", strerror(errno));
  bool done = allow_all(ruleset, jail, known, failure);
  if (done && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)) {
    done = fail(failure, "jail: %s", strerror(errno));
  }
  close(ruleset);
  return done;
}
#else
typedef int nothing_here;
#endif
