#include "socket_path.h"

#include <string.h>
#include <sys/socket.h>

struct sockaddr_un socket_address(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  memcpy(address.sun_path, path, strnlen(path, MAX_SOCKET_PATH_BYTES));
  return address;
}

void socket_directory(const char *path, char directory[MAX_SOCKET_PATH_BYTES + 1]) {
  size_t length = strnlen(path, MAX_SOCKET_PATH_BYTES);
  while (length > 1 && path[length - 1] != '/') length--;
  if (length > 1) length--;
  memcpy(directory, path, length);
  directory[length] = '\0';
}
