#include "lock.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { LOCK_DESCRIPTOR = 3, LOCKED = 0, BUSY = 1, FAILED = 2 };

/* A thread, because flock waits in the kernel and can be told nothing meanwhile. */
static void *watch_input(void *unused) {
  char byte;
  ssize_t got;
  do got = read(STDIN_FILENO, &byte, 1);
  while (got > 0 || (got < 0 && errno == EINTR));
  _exit(FAILED);
  return unused;
}

static int lock(int operation) {
  while (flock(LOCK_DESCRIPTOR, operation) != 0) {
    if (errno == EWOULDBLOCK) return BUSY;
    if (errno == EINTR) continue;
    fprintf(stderr, "%s\n", strerror(errno));
    return FAILED;
  }
  return LOCKED;
}

int take_lock(const char *mode) {
  if (strcmp(mode, "try") == 0) return lock(LOCK_EX | LOCK_NB);
  int operation = strcmp(mode, "wait") == 0 ? LOCK_EX : LOCK_SH;
  if (operation == LOCK_SH && strcmp(mode, "share") != 0) return FAILED;
  pthread_t watcher;
  if (pthread_create(&watcher, NULL, watch_input, NULL) != 0) return FAILED;
  return lock(operation);
}
