#include "channel_door.h"

#include "connection.h"
#include "listener.h"
#include "loop.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

struct caller {
  struct source source;
  struct timer timer;  // runs as long as there is a caller
  uint8_t nonce[CHANNEL_NONCE];
  uint8_t call[CHANNEL_CALL];
  size_t length;
};

static uint8_t *token;
static struct caller callers[CHANNEL_AT_ONCE];
static size_t next;

bool channel_door_open(uint8_t given[CHANNEL_TOKEN]) {
  void *page = mmap(NULL, CHANNEL_TOKEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED || madvise(page, CHANNEL_TOKEN, MADV_WIPEONFORK) != 0) return false;
  token = memcpy(page, given, CHANNEL_TOKEN);
  explicit_bzero(given, CHANNEL_TOKEN);
  return true;
}

// Never the same twice: a number that only grows, and one that nobody can know before.
static bool make_nonce(uint8_t nonce[CHANNEL_NONCE]) {
  static uint64_t count;
  count++;
  memcpy(nonce, &count, sizeof count);
  size_t rest = CHANNEL_NONCE - sizeof count;
  // The count alone keeps recordings out, so this need not wait for a guest that has no good numbers yet.
  return getrandom(nonce + sizeof count, rest, GRND_INSECURE) == (ssize_t)rest;
}

static int let_go(struct caller *caller) {
  timer_stop(&caller->timer);
  return loop_release(&caller->source);
}

static void turn_away(struct caller *caller) {
  int fd = let_go(caller);
  if (fd >= 0) close(fd);
  listener_resume();
}

static void too_late(struct timer *timer) {
  turn_away((struct caller *)((char *)timer - offsetof(struct caller, timer)));
}

static void has_called(struct caller *caller) {
  uint32_t port;
  if (!channel_call_check(token, caller->nonce, caller->call, &port)) return turn_away(caller);
  uint8_t answer[CHANNEL_ANSWER];
  channel_answer(token, caller->nonce, caller->call, port == AGENT_PORT ? CHANNEL_TAKEN : CHANNEL_NOTHING_LISTENS,
                 answer);
  bool answered = send(caller->source.fd, answer, sizeof answer, MSG_NOSIGNAL) == (ssize_t)sizeof answer;
  if (!answered || port != AGENT_PORT) return turn_away(caller);
  connection_open(let_go(caller));
}

static void ready(struct source *source, uint32_t events) {
  (void)events;
  struct caller *caller = (struct caller *)source;
  ssize_t got = recv(source->fd, caller->call + caller->length, CHANNEL_CALL - caller->length, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return turn_away(caller);
  caller->length += (size_t)got;
  if (caller->length == CHANNEL_CALL) has_called(caller);
}

void channel_door_knock(int fd) {
  struct caller *caller = &callers[next++ % CHANNEL_AT_ONCE];
  if (timer_runs(&caller->timer)) turn_away(caller);
  caller->length = 0;
  if (!make_nonce(caller->nonce) || send(fd, caller->nonce, CHANNEL_NONCE, MSG_NOSIGNAL) != CHANNEL_NONCE ||
      !loop_add(&caller->source, fd, EPOLLIN, ready)) {
    close(fd);
    return;
  }
  timer_start(&caller->timer, CHANNEL_MILLIS, too_late);
}
