// Between the agent and a process that works on an archive: packets that begin with a letter for their kind.
#ifndef VZAGENT_ARCHIVE_CHANNEL_H
#define VZAGENT_ARCHIVE_CHANNEL_H

#include "fault.h"

#include <limits.h>
#include <sys/stat.h>

enum { CHANNEL_DATA = 60 * 1024, CHANNEL_PACKET = CHANNEL_DATA + 1 };

enum channel_kind {
  CHANNEL_IS_DATA = 'D',   // both ways
  CHANNEL_IS_END = 'E',    // both ways: no more data, all is well
  CHANNEL_IS_FAULT = 'F',  // a struct fault, the last packet
  CHANNEL_IS_INFO = 'I',   // a struct channel_info
};

struct channel_info {
  struct stat stat;
  bool is_link;
  char name[NAME_MAX + 1];
  char target[PATH_MAX];
};

// The worker's side. It waits, and ends the process when the agent has let go.
struct channel {
  int fd;
  struct bytes out;  // data that is not yet a whole packet
  uint8_t in[CHANNEL_PACKET];
  size_t in_start;
  size_t in_end;
  bool in_ended;
};

void channel_send(struct channel *channel, enum channel_kind kind, const void *data, size_t size);

// Data, in packets of a good size.
void channel_write(struct channel *channel, const void *data, size_t size);
void channel_flush(struct channel *channel);

// What the agent sends, as tar_reader's `pull` has it.
long channel_pull(void *channel, void *data, size_t size);

#endif
