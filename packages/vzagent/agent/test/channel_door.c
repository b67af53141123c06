// The door of the control channel, on this host's loopback, under sanitizers.
//
//   channel_door hmac          prints the MAC for each line "KEY DATA" (hex; - for nothing) of stdin
//   channel_door serve TOKEN   TOKEN in hex; prints the port, and "open" for each call that got through, which is echoed,
//                              until stdin ends
#include "../channel_door.h"
#include "../connection.h"
#include "../listener.h"
#include "../log.h"
#include "../loop.h"
#include "../sha256.h"

#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LONGEST = 4096 };

static struct source listener, input;

void log_line(const char *format, ...) {
  va_list values;
  va_start(values, format);
  vfprintf(stderr, format, values);
  va_end(values);
}

noreturn void log_fatal(const char *format, ...) {
  fprintf(stderr, "fatal: %s\n", format);
  exit(1);
}

void listener_resume(void) { loop_want(&listener, EPOLLIN); }

static void echo(struct source *source, uint32_t events) {
  (void)events;
  char data[LONGEST];
  ssize_t got = recv(source->fd, data, sizeof data, 0);
  if (got > 0 && send(source->fd, data, (size_t)got, MSG_NOSIGNAL) == got) return;
  loop_close(source);
  free(source);
}

void connection_open(int fd) {
  struct source *source = calloc(1, sizeof *source);
  if (source == NULL || !loop_add(source, fd, EPOLLIN, echo)) abort();
  printf("open\n");
  fflush(stdout);
}

static void accept_ready(struct source *source, uint32_t events) {
  (void)events;
  int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd >= 0) channel_door_knock(fd);
  else loop_want(source, 0);
}

static bool over;

static void input_ready(struct source *source, uint32_t events) {
  (void)source, (void)events;
  over = true;
}

static size_t unhex(const char *text, uint8_t *data) {
  size_t length = 0;
  unsigned byte;
  while (length < LONGEST && sscanf(text + 2 * length, "%2x", &byte) == 1) data[length++] = (uint8_t)byte;
  return length;
}

static int serve(const char *text) {
  uint8_t token[LONGEST];
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (unhex(text, token) != CHANNEL_TOKEN || fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
      listen(fd, LONGEST) != 0 || getsockname(fd, (struct sockaddr *)&address, &length) != 0 || !loop_open() ||
      !channel_door_open(token) || !loop_add(&listener, fd, EPOLLIN, accept_ready) ||
      !loop_add(&input, 0, EPOLLIN, input_ready)) {
    return 1;
  }
  for (int i = 0; i < CHANNEL_TOKEN; i++) {
    if (token[i] != 0) return 2;
  }
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  while (!over) loop_step(-1);
  return 0;
}

static int hmac(void) {
  static char key_text[2 * LONGEST + 1], data_text[2 * LONGEST + 1];
  uint8_t key[LONGEST], data[LONGEST], mac[SHA256_SIZE];
  while (scanf("%8192s %8192s", key_text, data_text) == 2) {
    size_t key_length = unhex(key_text, key), length = unhex(data_text, data);
    hmac_sha256(key, key_length, data, length, mac);
    for (int i = 0; i < SHA256_SIZE; i++) printf("%02x", mac[i]);
    printf("\n");
  }
  return 0;
}

int main(int count, char **arguments) {
  if (count == 3 && strcmp(arguments[1], "serve") == 0) return serve(arguments[2]);
  if (count == 2 && strcmp(arguments[1], "hmac") == 0) return hmac();
  return 64;
}
