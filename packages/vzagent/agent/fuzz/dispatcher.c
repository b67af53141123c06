// libFuzzer: a host's bytes through connection, decoder, dispatcher and everything behind them that makes no process
// and touches no machine. Each input is one connection, sent in pieces.
#include "../connection.h"
#include "../listener.h"
#include "../loop.h"
#include "../power.h"
#include "../root.h"

#include <sched.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROUNDS = 64 };

void listener_resume(void) {}

static jmp_buf next_input;

void power_off(void) { longjmp(next_input, 1); }

// Nothing of a machine is here: no container can be assembled, no process made.
const struct fault *share_mount(const char *tag, int *tree) {
  (void)tag;
  *tree = -1;
  return fault(FAILURE_KIND_NOT_FOUND, "no such share");
}

// What is asked for is tried for real, so it has to be forbidden: a network of nobody's, and no privilege.
int LLVMFuzzerInitialize(int *count, char ***arguments) {
  (void)count;
  (void)arguments;
  enum { NOBODY = 65534 };
  bool is_root = geteuid() == 0;
  if (unshare(is_root ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) != 0 ||
      (is_root && (setresgid(NOBODY, NOBODY, NOBODY) != 0 || setresuid(NOBODY, NOBODY, NOBODY) != 0))) {
    perror("cannot give up privileges");
    exit(1);
  }
  if (!loop_open()) abort();
  return 0;
}

static void swallow(int fd) {
  char answers[64 * 1024];
  while (recv(fd, answers, sizeof answers, MSG_DONTWAIT) > 0) continue;
}

static void send_pieces(int fd, const uint8_t *data, size_t size) {
  // The first byte says how long the pieces are.
  size_t piece = size == 0 ? 1 : (size_t)data[0] + 1;
  for (size_t at = 1; at < size; at += piece) {
    size_t length = size - at < piece ? size - at : piece;
    if (send(fd, data + at, length, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) break;
    loop_step(0);
    swallow(fd);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) abort();
  connection_open(ends[0]);
  // A Shutdown comes back here from the middle of it.
  if (setjmp(next_input) == 0) send_pieces(ends[1], data, size);
  close(ends[1]);
  for (int round = 0; round < ROUNDS && loop_step(0); round++) continue;
  return 0;
}
