// A Unix socket in place of the vsock port.
#ifndef VZAGENT_LISTENER_UNIX_H
#define VZAGENT_LISTENER_UNIX_H

#include <stdbool.h>

bool listener_unix_open(const char *path);

#endif
