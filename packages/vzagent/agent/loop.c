#include "loop.h"

#include "log.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { BATCH = 64 };

static int epoll = -1;
static struct epoll_event batch[BATCH];
static int batch_length;

bool loop_open(void) {
  epoll = epoll_create1(EPOLL_CLOEXEC);
  return epoll >= 0;
}

static bool control(int operation, struct source *source, uint32_t interest) {
  struct epoll_event event = {.events = interest, .data.ptr = source};
  return epoll_ctl(epoll, operation, source->fd, &event) == 0;
}

bool loop_add(struct source *source, int fd, uint32_t interest, void (*ready)(struct source *, uint32_t)) {
  *source = (struct source){.fd = fd, .interest = interest, .ready = ready};
  if (interest == 0 || control(EPOLL_CTL_ADD, source, interest)) return true;
  source->fd = -1;
  return false;
}

void loop_want(struct source *source, uint32_t interest) {
  if (source->fd < 0 || interest == source->interest) return;
  int operation = source->interest == 0 ? EPOLL_CTL_ADD : interest == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
  if (!control(operation, source, interest)) log_fatal("epoll_ctl: %s", strerror(errno));
  source->interest = interest;
}

void loop_close(struct source *source) {
  if (source->fd < 0) return;
  loop_want(source, 0);
  close(source->fd);
  source->fd = -1;
  for (int i = 0; i < batch_length; i++) {
    if (batch[i].data.ptr == source) batch[i].data.ptr = NULL;
  }
}

void loop_run(void) {
  for (;;) {
    batch_length = epoll_wait(epoll, batch, BATCH, -1);
    if (batch_length < 0 && errno != EINTR) log_fatal("epoll_wait: %s", strerror(errno));
    for (int i = 0; i < batch_length; i++) {
      struct source *source = batch[i].data.ptr;
      if (source != NULL) source->ready(source, batch[i].events);
    }
  }
}
