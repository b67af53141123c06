#include "flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BLOCK_BYTES = 256 * 1024 };

/* Of all flows: only what a socket did not take is kept for each. */
static char block[BLOCK_BYTES];

bool flow_reads(const struct flow *flow) { return !flow->ended && flow->left == NULL; }

bool flow_writes(const struct flow *flow) { return flow->left != NULL; }

static bool is_for_later(void) { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

/* How much was written, or -1 when nothing ever will be. */
static ssize_t write_some(int to, const char *bytes, size_t length) {
  size_t written = 0;
  while (written < length) {
    ssize_t put = write(to, bytes + written, length - written);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && !is_for_later()) return -1;
    if (put <= 0) break;
    written += (size_t)put;
  }
  return (ssize_t)written;
}

static bool keep(struct flow *flow, const char *bytes, size_t length) {
  flow->left = malloc(length);
  if (flow->left == NULL) return false;
  memcpy(flow->left, bytes, length);
  flow->left_begin = 0;
  flow->left_end = length;
  return true;
}

static bool write_left(struct flow *flow, int to) {
  ssize_t put = write_some(to, flow->left + flow->left_begin, flow->left_end - flow->left_begin);
  if (put < 0) return false;
  flow->left_begin += (size_t)put;
  if (flow->left_begin == flow->left_end) flow_free(flow);
  return true;
}

static bool move_block(struct flow *flow, int from, int to) {
  ssize_t got = read(from, block, sizeof block);
  if (got < 0 && is_for_later()) return true;
  if (got <= 0) {
    /* A connection that was reset has ended, too; what it brought before is passed on. */
    flow->ended = true;
    return true;
  }
  ssize_t put = write_some(to, block, (size_t)got);
  if (put < 0) return false;
  return put == got || keep(flow, block + put, (size_t)(got - put));
}

bool flow_move(struct flow *flow, int from, int to) {
  if (flow->left != NULL && !write_left(flow, to)) return false;
  if (flow_reads(flow) && !move_block(flow, from, to)) return false;
  if (flow->ended && flow->left == NULL && !flow->passed_on) {
    shutdown(to, SHUT_WR);
    flow->passed_on = true;
  }
  return true;
}

void flow_drop(struct flow *flow, int from) {
  flow_free(flow);
  if (flow->ended) return;
  ssize_t got = read(from, block, sizeof block);
  flow->ended = got == 0 || (got < 0 && !is_for_later());
}

void flow_free(struct flow *flow) {
  free(flow->left);
  flow->left = NULL;
}
