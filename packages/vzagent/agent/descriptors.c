#include "descriptors.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOST = 8 };

bool descriptors_arrange(const int *wanted, size_t count) {
  int above[MOST];
  for (size_t i = 0; i < count; i++) {
    above[i] = fcntl(wanted[i], F_DUPFD_CLOEXEC, MOST);
    if (above[i] < 0) return false;
  }
  for (size_t i = 0; i < count; i++) {
    if (dup3(above[i], (int)i, i < 3 ? 0 : O_CLOEXEC) != (int)i) return false;
  }
  return syscall(SYS_close_range, count, ~0U, 0) == 0;
}
