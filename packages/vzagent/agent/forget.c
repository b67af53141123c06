#include "forget.h"

#include "files.h"
#include "log.h"
#include "loop.h"
#include "text.h"

#include <stdlib.h>

// The kernel tells nobody when it remembers too much.
enum { LOOK_MILLIS = 500 };

static struct timer timer;
static uint64_t most;
static uint64_t kept;  // how many the guest could not forget the last time: they are in use

static uint64_t remembered(void) {
  char *text = file_read("/proc/sys/fs/inode-nr", NULL);
  uint64_t count = text == NULL ? 0 : text_number(text, 10, NULL);
  free(text);
  return count;
}

static void look(struct timer *again) {
  uint64_t count = remembered();
  if (count < kept) kept = count;
  if (count - kept > most) {
    // Names and files of all file systems; the contents of those on disks stay.
    if (!file_write("/proc/sys/vm/drop_caches", "2")) log_line("drop_caches: %m");
    kept = remembered();
  }
  timer_start(again, LOOK_MILLIS, look);
}

void forget_beyond(uint64_t files) {
  most = files;
  look(&timer);
}
