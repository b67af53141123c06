#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "clock.h"
#include "descriptors.h"
#include "socket_path.h"

enum { ACCEPT_PAUSE_MS = 100, LISTEN_BACKLOG = 2 * MAX_CLIENTS };

static void close_client(struct control *control, int number) {
  struct control_client *client = &control->clients[number];
  close(client->descriptor);
  free(client->input);
  free(client->output);
  *client = (struct control_client){.descriptor = -1};
  control->handler.gone(control->handler.context, number);
}

/* A socket that a killed host left behind is removed; one that somebody listens on is not. */
static bool remove_stale(const struct sockaddr_un *address, struct failure *failure) {
  struct stat info;
  if (lstat(address->sun_path, &info) != 0) return true;
  if (!S_ISSOCK(info.st_mode)) return fail(failure, "controlSocket: %s is not a socket", address->sun_path);
  int probe = socket(AF_UNIX, SOCK_STREAM, 0);
  if (probe < 0 || !set_private(probe)) {
    if (probe >= 0) close(probe);
    return fail(failure, "controlSocket: %s", strerror(errno));
  }
  bool refused = connect(probe, (const struct sockaddr *)address, sizeof *address) != 0 && errno == ECONNREFUSED;
  close(probe);
  if (!refused) return fail(failure, "controlSocket: another host serves %s", address->sun_path);
  if (unlink(address->sun_path) == 0) return true;
  return fail(failure, "controlSocket: cannot remove %s: %s", address->sun_path, strerror(errno));
}

static int bind_listener(const struct sockaddr_un *address, struct failure *failure) {
  int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  mode_t mask = umask(0177);
  bool bound = listener >= 0 && bind(listener, (const struct sockaddr *)address, sizeof *address) == 0;
  int error = errno;
  umask(mask);
  if (bound && set_private(listener) && listen(listener, LISTEN_BACKLOG) == 0) return listener;
  if (bound) {
    error = errno;
    unlink(address->sun_path);
  }
  if (listener >= 0) close(listener);
  fail(failure, "controlSocket: cannot create %s: %s", address->sun_path, strerror(error));
  return -1;
}

/* Removes a stale socket and makes a new one; nobody else does between the two. Returns -1 after a failure. */
static int bind_alone(const struct sockaddr_un *address, struct failure *failure) {
  char parent[MAX_SOCKET_PATH_BYTES + 1];
  socket_directory(address->sun_path, parent);
  int directory = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0 || flock(directory, LOCK_EX) != 0) {
    fail(failure, "controlSocket: cannot create %s: %s", address->sun_path, strerror(errno));
    if (directory >= 0) close(directory);
    return -1;
  }
  int listener = remove_stale(address, failure) ? bind_listener(address, failure) : -1;
  close(directory);
  return listener;
}

bool control_open(struct control *control, const char *path, struct control_handler handler, struct failure *failure) {
  const struct sockaddr_un address = socket_address(path);
  *control = (struct control){.listener = -1, .path = path, .handler = handler};
  for (int i = 0; i < MAX_CLIENTS; i++) control->clients[i].descriptor = -1;
  control->listener = bind_alone(&address, failure);
  return control->listener >= 0;
}

/* The socket's mode keeps others out already; this holds even where a file system ignores it. */
static bool same_user(int connection) {
#ifdef __linux__
  struct ucred peer;
  socklen_t length = sizeof peer;
  if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return false;
  return peer.uid == geteuid() || peer.uid == 0;
#else
  uid_t user;
  gid_t group;
  return getpeereid(connection, &user, &group) == 0 && (user == geteuid() || user == 0);
#endif
}

static void admit(struct control *control, int connection) {
  static const char full[] = "{\"ok\":false,\"error\":\"too many control connections\"}\n";
  int number = 0;
  while (number < MAX_CLIENTS && control->clients[number].descriptor >= 0) number++;
  char *input = malloc(MAX_CONTROL_LINE_BYTES);
  if (number == MAX_CLIENTS || input == NULL || !set_private(connection) || !same_user(connection)) {
    if (number == MAX_CLIENTS && set_private(connection) && write(connection, full, sizeof full - 1) < 0) errno = 0;
    free(input);
    close(connection);
    return;
  }
  control->clients[number] = (struct control_client){.descriptor = connection, .input = input};
}

static void accept_clients(struct control *control) {
  for (;;) {
    int connection = accept(control->listener, NULL, NULL);
    if (connection >= 0) {
      admit(control, connection);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      control->accept_again_at = now_ms() + ACCEPT_PAUSE_MS;
      return;
    } else if (errno != EINTR && errno != ECONNABORTED) {
      return;
    }
  }
}

/* Sends what it can now and keeps the rest. False: the client is gone. */
static bool send_output(struct control_client *client, const char *bytes, size_t length) {
  size_t sent = 0;
  while (sent < length) {
    ssize_t wrote = write(client->descriptor, bytes + sent, length - sent);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (wrote < 0) return false;
    sent += (size_t)wrote;
  }
  if (sent == length) return true;
  client->output = malloc(length - sent);
  if (client->output == NULL) return false;
  memcpy(client->output, bytes + sent, length - sent);
  client->output_length = length - sent;
  client->output_sent = 0;
  return true;
}

/* False: the client is gone. */
static bool flush_output(struct control_client *client) {
  while (client->output != NULL) {
    ssize_t wrote = write(client->descriptor, client->output + client->output_sent,
                          client->output_length - client->output_sent);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return errno == EAGAIN || errno == EWOULDBLOCK;
    client->output_sent += (size_t)wrote;
    if (client->output_sent < client->output_length) continue;
    free(client->output);
    client->output = NULL;
  }
  return true;
}

static void answer_line(struct control *control, int number, const char *line, size_t length) {
  static char bytes[MAX_STATUS_BYTES];
  struct text answer = {.bytes = bytes, .capacity = sizeof bytes - 1};
  struct json_document document;
  const struct json_value *request = json_read(&document, line, length);
  if (request == NULL) {
    text_add(&answer, "{\"ok\":false,\"error\":");
    text_add_json(&answer, document.error);
    text_add(&answer, "}");
  } else {
    control->handler.answer(control->handler.context, number, request, &answer);
  }
  json_free(&document);
  if (answer.overflow) {
    answer = (struct text){.bytes = bytes, .capacity = sizeof bytes - 1};
    text_add(&answer, "{\"ok\":false,\"error\":\"the answer is too long\"}");
  }
  bytes[answer.length++] = '\n';
  struct control_client *client = &control->clients[number];
  if (!send_output(client, bytes, answer.length)) client->ended = true;
}

/* Answers the lines that have come, as long as the client takes the answers. */
static void answer_lines(struct control *control, int number) {
  struct control_client *client = &control->clients[number];
  size_t from = 0;
  while (client->output == NULL) {
    const char *end = memchr(client->input + from, '\n', client->input_length - from);
    if (end == NULL) break;
    size_t next = (size_t)(end - client->input) + 1;
    answer_line(control, number, client->input + from, next - from - 1);
    from = next;
  }
  client->input_length -= from;
  memmove(client->input, client->input + from, client->input_length);
  if (client->output != NULL || client->input_length < MAX_CONTROL_LINE_BYTES) return;
  static const char too_long[] = "{\"ok\":false,\"error\":\"the line is too long\"}\n";
  send_output(client, too_long, sizeof too_long - 1);
  client->input_length = 0;
  client->ended = true;
}

static void read_input(struct control_client *client) {
  size_t room = MAX_CONTROL_LINE_BYTES - client->input_length;
  ssize_t got;
  do {
    got = read(client->descriptor, client->input + client->input_length, room);
  } while (got < 0 && errno == EINTR);
  if (got > 0) {
    client->input_length += (size_t)got;
  } else if (got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) {
    client->ended = true;
  }
}

static bool wants_input(const struct control_client *client) {
  return client->output == NULL && !client->ended && client->input_length < MAX_CONTROL_LINE_BYTES;
}

static void serve(struct control *control, int number, short events) {
  struct control_client *client = &control->clients[number];
  if (client->output != NULL && (events & (POLLHUP | POLLERR)) != 0) {
    free(client->output); /* nobody reads it any more, but requests may still lie in the socket */
    client->output = NULL;
  }
  if (!flush_output(client)) client->ended = true;
  if (wants_input(client) && (events & (POLLIN | POLLHUP | POLLERR)) != 0) read_input(client);
  answer_lines(control, number);
  if (client->ended && client->output == NULL) close_client(control, number);
}

void control_before_poll(struct control *control, struct pollfd slots[CONTROL_POLL_SLOTS]) {
  if (control->accept_again_at != 0 && now_ms() >= control->accept_again_at) control->accept_again_at = 0;
  int listener = control->accept_again_at == 0 ? control->listener : -1;
  slots[MAX_CLIENTS] = (struct pollfd){.fd = listener, .events = POLLIN};
  for (int i = 0; i < MAX_CLIENTS; i++) {
    const struct control_client *client = &control->clients[i];
    short events = 0;
    if (wants_input(client)) events |= POLLIN;
    if (client->output != NULL) events |= POLLOUT;
    slots[i] = (struct pollfd){.fd = client->descriptor, .events = events};
  }
}

void control_after_poll(struct control *control, const struct pollfd slots[CONTROL_POLL_SLOTS]) {
  for (int i = 0; i < MAX_CLIENTS; i++) {
    if (slots[i].revents != 0 && control->clients[i].descriptor == slots[i].fd) serve(control, i, slots[i].revents);
  }
  if (slots[MAX_CLIENTS].revents != 0 && control->listener >= 0) accept_clients(control);
}

void control_tell(struct control *control, int number, const char *line, size_t length) {
  struct control_client *client = &control->clients[number];
  if (client->descriptor < 0 || client->ended) return;
  ssize_t wrote;
  do {
    wrote = client->output == NULL ? write(client->descriptor, line, length) : -1;
  } while (wrote < 0 && client->output == NULL && errno == EINTR);
  if (wrote == (ssize_t)length) return;
  free(client->output);
  client->output = NULL;
  client->ended = true;
  /* It is closed when its descriptor says so. */
  shutdown(client->descriptor, SHUT_RDWR);
}

void control_close_listener(struct control *control) {
  if (control->listener < 0) return;
  unlink(control->path);
  close(control->listener);
  control->listener = -1;
}

void control_finish(struct control *control, const char *line, size_t length) {
  for (int i = 0; i < MAX_CLIENTS; i++) {
    struct control_client *client = &control->clients[i];
    if (client->descriptor < 0) continue;
    if (flush_output(client) && client->output == NULL) send_output(client, line, length);
    close_client(control, i);
  }
}
