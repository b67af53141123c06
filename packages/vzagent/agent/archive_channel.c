#include "archive_channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

void channel_send(struct channel *channel, enum channel_kind kind, const void *data, size_t size) {
  char letter = (char)kind;
  struct iovec parts[] = {{.iov_base = &letter, .iov_len = 1}, {.iov_base = (void *)(uintptr_t)data, .iov_len = size}};
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
  while (sendmsg(channel->fd, &message, MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) _exit(1);
  }
}

void channel_flush(struct channel *channel) {
  size_t length = bytes_length(&channel->out);
  if (length > 0) channel_send(channel, CHANNEL_IS_DATA, bytes_head(&channel->out), length);
  bytes_consume(&channel->out, length);
}

void channel_write(struct channel *channel, const void *data, size_t size) {
  for (const uint8_t *at = data; size > 0;) {
    size_t room = CHANNEL_DATA - bytes_length(&channel->out), part = size < room ? size : room;
    if (!bytes_append(&channel->out, at, part)) _exit(1);
    if (part == room) channel_flush(channel);
    at += part;
    size -= part;
  }
}

static bool receive(struct channel *channel) {
  ssize_t got = recv(channel->fd, channel->in, sizeof channel->in, 0);
  if (got < 0 && errno == EINTR) return true;
  // Without a word about the end, the host has changed its mind.
  if (got <= 0) _exit(1);
  channel->in_start = 1;
  channel->in_end = (size_t)got;
  channel->in_ended = channel->in[0] == CHANNEL_IS_END;
  return !channel->in_ended;
}

long channel_pull(void *context, void *data, size_t size) {
  struct channel *channel = context;
  while (channel->in_start == channel->in_end) {
    if (channel->in_ended || !receive(channel)) return 0;
  }
  size_t left = channel->in_end - channel->in_start, part = size < left ? size : left;
  memcpy(data, channel->in + channel->in_start, part);
  channel->in_start += part;
  return (long)part;
}
