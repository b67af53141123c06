#include "rosetta.h"

#if defined(__aarch64__)

#include "files.h"
#include "log.h"
#include "modules.h"
#include "mount_tree.h"
#include "root.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER "/rosetta"
#define BINFMT "/proc/sys/fs/binfmt_misc"

// As Apple documents it ("Running Intel Binaries in Linux VMs with Rosetta"): ELF files for x86-64. O: the interpreter
// gets the program open; C: set-user-id of the program counts; F: the interpreter is opened now, so that it works in
// every container.
#define REGISTRATION                                                                          \
  ":rosetta:M::\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\x3e\\x00" \
  ":\\xff\\xff\\xff\\xff\\xff\\xfe\\xfe\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff"  \
  ":" FOLDER "/rosetta:OCF"

static bool mount_interpreter(void) {
  int tree = -1;
  if (share_mount("rosetta", &tree) != NULL) return false;
  int place = mkdir(FOLDER, 0755) == 0 || errno == EEXIST ? open(FOLDER, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
  bool mounted = place >= 0 && tree_attach(tree, place);
  if (place >= 0) close(place);
  close(tree);
  return mounted;
}

static bool mount_binfmt(void) {
  modules_load("/lib/modules/binfmt_misc.load");
  return mount("binfmt_misc", BINFMT, "binfmt_misc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0;
}

void rosetta_register(void) {
  if (!mount_interpreter()) return;
  if (!mount_binfmt() || !file_write(BINFMT "/register", REGISTRATION)) log_line("Rosetta: %m");
}

#else

// The processor's own programs need no interpreter.
void rosetta_register(void) {}

#endif
