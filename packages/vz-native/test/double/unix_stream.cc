#include "unix_stream.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int connectUnix(const std::string &path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return -1;
  path.copy(address.sun_path, path.size());
  int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return -1;
  if (connect(descriptor, (const sockaddr *)&address, sizeof address) == 0) return descriptor;
  close(descriptor);
  return -1;
}

bool writeAll(int descriptor, const std::string &bytes) {
  for (size_t sent = 0; sent < bytes.size();) {
    ssize_t wrote = send(descriptor, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return false;
    sent += (size_t)wrote;
  }
  return true;
}

bool readLine(int descriptor, std::string &line) {
  line.clear();
  for (char byte; line.size() < 1024 * 1024;) {
    ssize_t got = read(descriptor, &byte, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    if (byte == '\n') return true;
    line += byte;
  }
  return false;
}
