#ifndef ZLAYER_HOST_SOCKET_PATH_H
#define ZLAYER_HOST_SOCKET_PATH_H

#include <sys/un.h>

#include "limits.h"

/* The address of a path that the configuration's check has found short enough. */
struct sockaddr_un socket_address(const char *path);
/* The directory that a socket lies in. */
void socket_directory(const char *path, char directory[MAX_SOCKET_PATH_BYTES + 1]);

#endif
