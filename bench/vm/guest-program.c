/*
 * The guest's part of the measurements, in one static program:
 *
 *   guest-program write BYTES   writes so many bytes to standard output
 *   guest-program forks COUNT   runs /bin/true so often; prints the median of fork, exec and wait, in microseconds
 *   guest-program serve PORT    answers on a TCP port: after a connection's first 8 bytes, a number, so many bytes; writes
 *                               a line when it listens
 *
 * As process 1 it answers in the same way on vsock port 1026, and tells the host's port 1025 when it is ready. A number
 * with its highest bit set: another process writes the bytes into a pipe, and they are copied from there; with the next
 * one, into a TCP connection.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <net/if.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { READY_PORT = 1025, SERVICE_PORT = 1026, BACKLOG = 128, MOST_FORKS = 10000, PIECE = 64 * 1024,
       PIPE_SIZE = 256 * 1024 };

#define PIPED (UINT64_C(1) << 63)
#define OVER_TCP (UINT64_C(1) << 62)

static int write_bytes(int fd, uint64_t count) {
  static uint8_t piece[PIECE];
  memset(piece, 'x', sizeof piece);
  for (size_t line = 99; line < sizeof piece; line += 100) piece[line] = '\n';
  while (count > 0) {
    ssize_t sent = write(fd, piece, count < sizeof piece ? (size_t)count : sizeof piece);
    if (sent <= 0) return 1;
    count -= (uint64_t)sent;
  }
  return 0;
}

static uint64_t micros(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int ascending(const void *one, const void *other) {
  const uint32_t *a = one, *b = other;
  return (*a > *b) - (*a < *b);
}

static int measure_forks(int count) {
  static uint32_t times[MOST_FORKS];
  if (count < 1 || count > MOST_FORKS) return 2;
  for (int i = 0; i < count; i++) {
    uint64_t began = micros();
    pid_t child = fork();
    if (child == 0) {
      execl("/bin/true", "true", (char *)NULL);
      _exit(127);
    }
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) return 1;
    times[i] = (uint32_t)(micros() - began);
  }
  qsort(times, (size_t)count, sizeof times[0], ascending);
  printf("%u\n", times[count / 2]);
  return 0;
}

/* What any agent has to do with the bytes of another process, and nothing else. */
static int copy(int from, int to) {
  static uint8_t piece[PIECE];
  for (ssize_t got; (got = read(from, piece, sizeof piece)) > 0;) {
    for (ssize_t at = 0, put; at < got; at += put) {
      if ((put = write(to, piece + at, (size_t)(got - at))) <= 0) return 1;
    }
  }
  return 0;
}

/* With those of a program's output. */
static int write_piped(int fd, uint64_t count) {
  int ends[2];
  if (pipe(ends) != 0 || fcntl(ends[0], F_SETPIPE_SZ, PIPE_SIZE) < 0) return 1;
  if (fork() == 0) _exit(write_bytes(ends[1], count));
  close(ends[1]);
  return copy(ends[0], fd);
}

/* With those of a service behind a published port. */
static int write_over_tcp(int fd, uint64_t count) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0), out = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, 1) != 0 ||
      getsockname(listener, (struct sockaddr *)&address, &length) != 0 ||
      connect(out, (struct sockaddr *)&address, length) != 0) {
    return 1;
  }
  int in = accept(listener, NULL, NULL);
  if (fork() == 0) _exit(write_bytes(out, count));
  close(out);
  return copy(in, fd);
}

static void answer(int connection) {
  uint64_t count;
  uint8_t rest;
  if (recv(connection, &count, sizeof count, MSG_WAITALL) != sizeof count) return;
  int failed = (count & PIPED) != 0      ? write_piped(connection, count & ~PIPED)
               : (count & OVER_TCP) != 0 ? write_over_tcp(connection, count & ~OVER_TCP)
                                         : write_bytes(connection, count);
  if (failed != 0) return;
  // The one that reads closes first: not every transport delivers what it has when its writer is gone.
  while (read(connection, &rest, 1) > 0) continue;
}

static int serve(int listener) {
  signal(SIGCHLD, SIG_IGN);
  signal(SIGPIPE, SIG_IGN);
  if (listener < 0 || listen(listener, BACKLOG) != 0) return 1;
  puts("listening");
  fflush(stdout);
  for (;;) {
    int connection = accept(listener, NULL, NULL);
    if (connection < 0) continue;
    if (fork() == 0) {
      close(listener);
      answer(connection);
      _exit(0);
    }
    close(connection);
  }
}

static int tcp_listener(int port) {
  int listener = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  return bind(listener, (struct sockaddr *)&address, sizeof address) == 0 ? listener : -1;
}

static int vsock_listener(void) {
  int listener = socket(AF_VSOCK, SOCK_STREAM, 0);
  struct sockaddr_vm address = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = SERVICE_PORT};
  return bind(listener, (struct sockaddr *)&address, sizeof address) == 0 ? listener : -1;
}

/* The modules of the product's own initramfs, those for missing devices too. */
static void load_modules(void) {
  char line[512];
  FILE *list = fopen("/lib/modules/modules.load", "r");
  while (list != NULL && fgets(line, sizeof line, list) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    char *path = strchr(line, '/');
    int file = path == NULL ? -1 : open(path, O_RDONLY);
    if (file < 0) continue;
    syscall(SYS_finit_module, file, "", 0);
    close(file);
  }
  if (list != NULL) fclose(list);
}

static void set_up_loopback(void) {
  struct ifreq device = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
  int any = socket(AF_INET, SOCK_DGRAM, 0);
  if (ioctl(any, SIOCSIFFLAGS, &device) != 0) perror("lo");
  close(any);
}

static void tell_ready(void) {
  int call = socket(AF_VSOCK, SOCK_STREAM, 0);
  struct sockaddr_vm host = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST, .svm_port = READY_PORT};
  if (connect(call, (struct sockaddr *)&host, sizeof host) == 0 && write(call, "r", 1) != 1) perror("ready");
  close(call);
}

static int be_the_guest(void) {
  load_modules();
  set_up_loopback();
  int listener = vsock_listener();
  if (listener < 0 || listen(listener, BACKLOG) != 0) perror("vsock");
  tell_ready();
  return serve(listener);
}

int main(int count, char **arguments) {
  if (getpid() == 1 && count < 3) return be_the_guest();
  if (count != 3) return 2;
  const char *what = arguments[1];
  uint64_t number = strtoull(arguments[2], NULL, 10);
  if (strcmp(what, "write") == 0) return write_bytes(1, number);
  if (strcmp(what, "forks") == 0) return measure_forks((int)number);
  if (strcmp(what, "serve") == 0) return serve(tcp_listener((int)number));
  return 2;
}
