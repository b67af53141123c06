// Says `ready` and sends back every datagram that comes to UDP port 7778, and everything that comes over connections to
// /tmp/echo.sock, one after the other. For an image of the conformance suite.

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int listen_at(const char *path) {
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  unlink(path);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 8) != 0) return -1;
  return fd;
}

static void echo_streams(int server) {
  for (;;) {
    int peer = accept(server, NULL, NULL);
    char data[4096];
    for (ssize_t got; peer >= 0 && (got = read(peer, data, sizeof data)) > 0;) {
      if (write(peer, data, (size_t)got) != got) break;
    }
    if (peer >= 0) close(peer);
  }
}

int main(void) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(7778), .sin_addr.s_addr = htonl(INADDR_ANY)};
  mkdir("/tmp", 01777);
  int server = listen_at("/tmp/echo.sock");
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || server < 0) {
    perror("udp-echo");
    return 1;
  }
  pid_t child = fork();
  if (child < 0) return 1;
  if (child == 0) echo_streams(server);
  puts("ready");
  fflush(stdout);
  for (;;) {
    char data[65536];
    struct sockaddr_in peer;
    socklen_t length = sizeof peer;
    ssize_t got = recvfrom(fd, data, sizeof data, 0, (struct sockaddr *)&peer, &length);
    if (got >= 0) sendto(fd, data, (size_t)got, 0, (struct sockaddr *)&peer, length);
  }
}
