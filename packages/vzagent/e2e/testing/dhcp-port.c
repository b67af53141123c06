// Has the UDP port of DHCP's clients for itself, says so, and stays.
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void) {
  struct sockaddr_in port = {.sin_family = AF_INET, .sin_port = htons(68)};
  if (bind(socket(AF_INET, SOCK_DGRAM, 0), (struct sockaddr *)&port, sizeof port) != 0) {
    perror("port 68");
    return 1;
  }
  if (write(1, "taken\n", 6) != 6) return 1;
  for (;;) pause();
}
