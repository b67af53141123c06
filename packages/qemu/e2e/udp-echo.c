// Says `ready` and sends every datagram back that comes to UDP port 7778. For an image of the conformance suite.

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(7778), .sin_addr.s_addr = htonl(INADDR_ANY)};
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0) {
    perror("udp-echo");
    return 1;
  }
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
