// Servers to reach from outside: sockets KIND ADDRESS [KIND ADDRESS]..., where KIND is echo, count (answers with the
// number of bytes once the client has ended), source (sends 32 MiB), reset (resets after the first byte), udp; ADDRESS
// is a port, or the path of a Unix socket.
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char buffer[65536];

static void write_all(int fd, const char *data, size_t size) {
  while (size > 0) {
    ssize_t sent = write(fd, data, size);
    if (sent <= 0) _exit(1);
    data += sent;
    size -= (size_t)sent;
  }
}

static void serve(const char *kind, int fd) {
  ssize_t got;
  long total = 0;
  if (strcmp(kind, "source") == 0) {
    for (int i = 0; i < 512; i++) write_all(fd, buffer, sizeof buffer);
  } else if (strcmp(kind, "reset") == 0) {
    struct linger at_once = {.l_onoff = 1};
    if (read(fd, buffer, 1) != 1) _exit(1);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  } else if (strcmp(kind, "count") == 0) {
    while ((got = read(fd, buffer, sizeof buffer)) > 0) total += got;
    write_all(fd, buffer, (size_t)snprintf(buffer, sizeof buffer, "%ld", total));
  } else {
    while ((got = read(fd, buffer, sizeof buffer)) > 0) write_all(fd, buffer, (size_t)got);
  }
}

// Thousands of connections that are open at once, each echoed when it says something.
static _Noreturn void serve_many(int listener) {
  static struct pollfd all[5000];
  nfds_t count = 1;
  all[0] = (struct pollfd){.fd = listener, .events = POLLIN};
  for (;;) {
    poll(all, count, -1);
    for (nfds_t i = count; i-- > 1;) {
      if (all[i].revents == 0) continue;
      ssize_t got = read(all[i].fd, buffer, sizeof buffer);
      if (got > 0) {
        write_all(all[i].fd, buffer, (size_t)got);
      } else {
        close(all[i].fd);
        all[i] = all[--count];
      }
    }
    if (all[0].revents != 0 && count < 5000) all[count++] = (struct pollfd){.fd = accept(listener, NULL, NULL),
        .events = POLLIN};
  }
}

static int listen_at(const char *address, int type) {
  struct sockaddr_un local = {.sun_family = AF_UNIX};
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(address))};
  int is_local = address[0] == '/', fd = socket(is_local ? AF_UNIX : AF_INET, type, 0), on = 1;
  strncpy(local.sun_path, address, sizeof local.sun_path - 1);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  int bound = is_local ? bind(fd, (struct sockaddr *)&local, sizeof local) : bind(fd, (struct sockaddr *)&any,
                                                                                  sizeof any);
  if (bound != 0 || (type == SOCK_STREAM && listen(fd, 4096) != 0)) {
    perror(address);
    exit(1);
  }
  return fd;
}

int main(int count, char **arguments) {
  if (count < 3) return 2;
  signal(SIGCHLD, SIG_IGN);
  int own = 1;
  while (own + 2 < count && fork() > 0) own += 2;  // a process for each pair
  const char *kind = arguments[own], *address = arguments[own + 1];
  int is_udp = strcmp(kind, "udp") == 0, listener = listen_at(address, is_udp ? SOCK_DGRAM : SOCK_STREAM);
  printf("%s\n", kind);
  fflush(stdout);
  if (strcmp(kind, "many") == 0) serve_many(listener);
  while (is_udp) {
    struct sockaddr_storage from;
    socklen_t length = sizeof from;
    ssize_t got = recvfrom(listener, buffer, sizeof buffer, 0, (struct sockaddr *)&from, &length);
    if (got >= 0) sendto(listener, buffer, (size_t)got, 0, (struct sockaddr *)&from, length);
  }
  for (;;) {
    int fd = accept(listener, NULL, NULL);
    if (fork() == 0) {
      serve(kind, fd);
      _exit(0);
    }
    close(fd);
  }
}
