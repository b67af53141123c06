#include "terminal.h"

#include "text.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <termios.h>
#include <unistd.h>

#include <linux/magic.h>

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

bool terminal_resize(int master, const struct tty_size *size) {
  struct winsize window = {.ws_row = size->rows, .ws_col = size->columns};
  return ioctl(master, TIOCSWINSZ, &window) == 0;
}

const struct fault *terminal_open(const struct tty_size *size, struct terminal *terminal) {
  struct statfs system;
  int unlocked = 0;
  unsigned index;
  *terminal = (struct terminal){.slave = -1};
  terminal->master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NOFOLLOW);
  // The agent will read from it: a program of the container must not have put something else in its place.
  if (terminal->master >= 0 && (fstatfs(terminal->master, &system) != 0 || system.f_type != DEVPTS_SUPER_MAGIC)) {
    return fault(FAILURE_KIND_INTERNAL, "the container's /dev/pts is no devpts");
  }
  if (terminal->master < 0 || ioctl(terminal->master, TIOCSPTLCK, &unlocked) != 0 ||
      ioctl(terminal->master, TIOCGPTN, &index) != 0 ||
      (terminal->slave = ioctl(terminal->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0 ||
      !terminal_resize(terminal->master, size)) {
    return fault_errno("cannot open a terminal in the container");
  }
  text_format(terminal->name, sizeof terminal->name, "/dev/pts/%u", index);
  return NULL;
}

bool terminal_take(const struct terminal *terminal) {
  if (ioctl(terminal->slave, TIOCSCTTY, 0) != 0) return false;
  for (int fd = 0; fd < 3; fd++) {
    if (dup2(terminal->slave, fd) != fd) return false;
  }
  return close(terminal->slave) == 0;
}

char terminal_end_of_input(int master) {
  struct termios settings;
  if (tcgetattr(master, &settings) != 0 || (settings.c_lflag & ICANON) == 0) return 0;
  return (char)settings.c_cc[VEOF];
}
