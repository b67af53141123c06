#include "descriptors.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

bool fill_standard_descriptors(void) {
  for (int descriptor = 0; descriptor <= 2; descriptor++) {
    if (fcntl(descriptor, F_GETFD) < 0 && open("/dev/null", O_RDWR) != descriptor) return false;
  }
  return true;
}

static void close_up_to_limit(int last) {
  long limit = sysconf(_SC_OPEN_MAX);
  if (limit < 0 || limit > 65536) limit = 65536;
  for (int descriptor = last + 1; descriptor < limit; descriptor++) close(descriptor);
}

void close_descriptors_above(int last) {
  DIR *listing = opendir("/dev/fd");
  if (listing == NULL) {
    close_up_to_limit(last);
    return;
  }
  for (struct dirent *entry = readdir(listing); entry != NULL; entry = readdir(listing)) {
    char *end;
    long descriptor = strtol(entry->d_name, &end, 10);
    if (*end == '\0' && descriptor > last && descriptor != dirfd(listing)) close((int)descriptor);
  }
  closedir(listing);
}

bool set_blocking(int descriptor, bool blocking) {
  int flags = fcntl(descriptor, F_GETFL);
  if (flags < 0) return false;
  flags = blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
  return fcntl(descriptor, F_SETFL, flags) == 0;
}

bool set_private(int descriptor) {
  return fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0 && set_blocking(descriptor, false);
}
