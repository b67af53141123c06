// Pseudo terminals of the container.
#ifndef VZAGENT_TERMINAL_H
#define VZAGENT_TERMINAL_H

#include "fault.h"

enum { TERMINAL_NAME = 32 };

struct terminal {
  int master;
  int slave;
  char name[TERMINAL_NAME];  // of the slave, in the container
};

// Opens one in the container's own devpts; inside its root.
const struct fault *terminal_open(const struct tty_size *size, struct terminal *terminal);

// Makes the slave the controlling terminal of the calling process, which leads a session, and its descriptors 0 to 2.
// Errno says why it failed.
bool terminal_take(const struct terminal *terminal);

// Sets the size, by the master. Errno says why it failed.
bool terminal_resize(int master, const struct tty_size *size);

// What has to be written to the master so that a reader of lines sees the end of its input; 0 when nobody reads lines.
char terminal_end_of_input(int master);

#endif
