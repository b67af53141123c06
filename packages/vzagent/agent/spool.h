// What a process has written and no host has acknowledged: a ring of bytes with a record of what came when.
#ifndef VZAGENT_SPOOL_H
#define VZAGENT_SPOOL_H

#include "postcard.h"

#include <sys/uio.h>

struct spool_record {
  uint64_t end;  // offset behind its last byte
  uint64_t unix_micros;
  uint8_t stream;
};

struct spool {
  uint64_t first;  // offset of the oldest byte that is kept
  uint64_t end;    // offset behind the last byte
  uint64_t dropped;
  size_t limit;
  bool drops_oldest;
  bool was_filled;  // by the last addition
  uint8_t *data;    // the byte at offset n is data[n % capacity]
  size_t capacity;  // grows up to the limit
  struct spool_record *records;
  size_t record_capacity;
  size_t record_first;
  size_t record_count;
};

// Nothing is allocated before the first byte. The limit is brought into the range that the agent serves.
void spool_open(struct spool *spool, uint32_t limit, bool drops_oldest);

void spool_free(struct spool *spool);

// How many bytes of a stream can be added now; none as long as the spool is full, unless it drops its oldest bytes.
size_t spool_room(struct spool *spool, uint8_t stream);

// Where the next bytes are to be placed, two parts at most, for `spool_added` then. How many parts: none when it drops
// its oldest bytes, for which there has to be room first.
int spool_space(const struct spool *spool, size_t length, struct iovec parts[2]);

// So many bytes were placed, at least one.
void spool_added(struct spool *spool, uint8_t stream, uint64_t unix_micros, size_t length);

// Adds a copy of bytes, at least one and at most `spool_room`.
void spool_add(struct spool *spool, uint8_t stream, uint64_t unix_micros, struct slice data);

struct spool_piece {
  uint8_t stream;
  uint64_t offset;
  uint64_t unix_micros;
  struct slice data;
};

// The longest piece at `offset` that lies together in one record. False when there is none.
bool spool_at(const struct spool *spool, uint64_t offset, struct spool_piece *piece);

// Forgets what stands before `offset`.
void spool_take(struct spool *spool, uint64_t offset);

#endif
