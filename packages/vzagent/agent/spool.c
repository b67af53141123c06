#include "spool.h"

#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

enum {
  LEAST = 4096,
  MOST = 64 * 1024 * 1024,
  FIRST_CAPACITY = 8 * 1024,
  SHARED_CAPACITY = 64 * 1024,  // what each has at least when all together have grown to their bound
  PIECE = 64 * 1024 - 64,  // with its frame's head it is no more than virtual sockets carry at once
  FIRST_RECORDS = 8,
  BYTES_PER_RECORD = 64,  // on the average, or records are joined
  JOINED_MICROS = 5000,   // bytes of one stream that came so soon after each other are one record
};

// All spools together take at most a quarter of the memory, beside the little that each has.
static size_t total;

static size_t most_together(void) {
  static size_t most;
  struct sysinfo info;
  if (most == 0 && sysinfo(&info) == 0) most = (size_t)info.totalram * info.mem_unit / 4;
  return most;
}

void spool_open(struct spool *spool, uint32_t limit, bool drops_oldest) {
  if (limit < LEAST) limit = LEAST;
  if (limit > MOST) limit = MOST;
  *spool = (struct spool){.limit = limit, .drops_oldest = drops_oldest};
}

void spool_free(struct spool *spool) {
  total -= spool->capacity;
  free(spool->data);
  free(spool->records);
  spool->data = NULL;
  spool->records = NULL;
  spool->capacity = spool->record_capacity = spool->record_first = spool->record_count = 0;
  spool->first = spool->end;
}

static struct spool_record *record_at(const struct spool *spool, size_t index) {
  return &spool->records[(spool->record_first + index) % spool->record_capacity];
}

static size_t most_records(const struct spool *spool) { return spool->limit / BYTES_PER_RECORD; }

static size_t kept(const struct spool *spool) { return (size_t)(spool->end - spool->first); }

// How large the ring may become. What it has it keeps.
static size_t most_capacity(const struct spool *spool) {
  if (total < most_together() || spool->capacity > SHARED_CAPACITY) return spool->limit;
  return spool->limit < SHARED_CAPACITY ? spool->limit : SHARED_CAPACITY;
}

static void copy_in(struct spool *spool, uint64_t offset, const uint8_t *data, size_t length) {
  size_t at = (size_t)(offset % spool->capacity);
  size_t before_end = spool->capacity - at < length ? spool->capacity - at : length;
  memcpy(spool->data + at, data, before_end);
  if (length > before_end) memcpy(spool->data, data + before_end, length - before_end);
}

// As far as memory allows.
static void grow(struct spool *spool, size_t wanted) {
  size_t capacity = spool->capacity == 0 ? FIRST_CAPACITY : spool->capacity;
  size_t most = most_capacity(spool);
  while (capacity < wanted && capacity < most) capacity *= 2;
  if (capacity > most) capacity = most;
  if (capacity <= spool->capacity) return;
  struct spool larger = *spool;
  larger.capacity = capacity;
  larger.data = malloc(capacity);
  if (larger.data == NULL) return;
  struct spool_piece piece;
  for (uint64_t offset = spool->first; spool_at(spool, offset, &piece); offset += piece.data.length) {
    copy_in(&larger, offset, piece.data.data, piece.data.length);
  }
  total += capacity - spool->capacity;
  free(spool->data);
  *spool = larger;
}

static bool grow_records(struct spool *spool) {
  if (spool->record_count < spool->record_capacity) return true;
  size_t capacity = spool->record_capacity == 0 ? FIRST_RECORDS : spool->record_capacity * 2;
  struct spool_record *records = malloc(capacity * sizeof *records);
  if (records == NULL) return false;
  for (size_t i = 0; i < spool->record_count; i++) records[i] = *record_at(spool, i);
  free(spool->records);
  spool->records = records;
  spool->record_capacity = capacity;
  spool->record_first = 0;
  return true;
}

static bool is_of_last_stream(const struct spool *spool, uint8_t stream) {
  return spool->record_count > 0 && record_at(spool, spool->record_count - 1)->stream == stream;
}

size_t spool_room(struct spool *spool, uint8_t stream) {
  if (spool->record_count >= most_records(spool) && !is_of_last_stream(spool, stream) && !spool->drops_oldest) return 0;
  // What fills the room of a small ring is likely to be the beginning of more.
  if (kept(spool) == spool->capacity || spool->was_filled) grow(spool, spool->capacity + 1);
  spool->was_filled = false;
  if (spool->capacity == 0 || !grow_records(spool)) return 0;
  size_t free_bytes = spool->capacity - kept(spool);
  bool may_drop = spool->drops_oldest && (free_bytes == 0 || spool->capacity == spool->limit);
  return may_drop ? spool->capacity : free_bytes;
}

static void drop(struct spool *spool, size_t length) {
  spool->dropped += length;
  spool_take(spool, spool->first + length);
}

static void make_room(struct spool *spool, uint8_t stream, size_t length) {
  size_t free_bytes = spool->capacity - kept(spool);
  if (length > free_bytes) drop(spool, length - free_bytes);
  if (spool->record_count >= most_records(spool) && !is_of_last_stream(spool, stream)) {
    drop(spool, (size_t)(record_at(spool, 0)->end - spool->first));
  }
}

static bool is_joined(const struct spool *spool, uint8_t stream, uint64_t unix_micros) {
  if (!is_of_last_stream(spool, stream)) return false;
  const struct spool_record *last = record_at(spool, spool->record_count - 1);
  bool is_soon = unix_micros >= last->unix_micros && unix_micros - last->unix_micros < JOINED_MICROS;
  return is_soon || spool->record_count >= most_records(spool);
}

int spool_space(const struct spool *spool, size_t length, struct iovec parts[2]) {
  if (spool->drops_oldest) return 0;
  size_t at = (size_t)(spool->end % spool->capacity);
  size_t before_end = spool->capacity - at < length ? spool->capacity - at : length;
  parts[0] = (struct iovec){.iov_base = spool->data + at, .iov_len = before_end};
  parts[1] = (struct iovec){.iov_base = spool->data, .iov_len = length - before_end};
  return length > before_end ? 2 : 1;
}

void spool_add(struct spool *spool, uint8_t stream, uint64_t unix_micros, struct slice data) {
  make_room(spool, stream, data.length);
  copy_in(spool, spool->end, data.data, data.length);
  spool_added(spool, stream, unix_micros, data.length);
}

void spool_added(struct spool *spool, uint8_t stream, uint64_t unix_micros, size_t length) {
  spool->end += length;
  spool->was_filled = kept(spool) == spool->capacity;
  if (!is_joined(spool, stream, unix_micros)) {
    spool->record_count++;
    record_at(spool, spool->record_count - 1)->unix_micros = unix_micros;
    record_at(spool, spool->record_count - 1)->stream = stream;
  }
  record_at(spool, spool->record_count - 1)->end = spool->end;
}

// The first record that ends behind `offset`.
static size_t find_record(const struct spool *spool, uint64_t offset) {
  size_t low = 0, high = spool->record_count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (record_at(spool, middle)->end > offset) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

bool spool_at(const struct spool *spool, uint64_t offset, struct spool_piece *piece) {
  if (offset < spool->first || offset >= spool->end) return false;
  const struct spool_record *record = record_at(spool, find_record(spool, offset));
  size_t at = (size_t)(offset % spool->capacity);
  size_t length = (size_t)(record->end - offset);
  if (length > spool->capacity - at) length = spool->capacity - at;
  if (length > PIECE) length = PIECE;
  *piece = (struct spool_piece){.stream = record->stream,
                                .offset = offset,
                                .unix_micros = record->unix_micros,
                                .data = {.data = spool->data + at, .length = length}};
  return true;
}

void spool_take(struct spool *spool, uint64_t offset) {
  if (offset > spool->end) offset = spool->end;
  if (offset <= spool->first) return;
  spool->first = offset;
  while (spool->record_count > 0 && record_at(spool, 0)->end <= offset) {
    spool->record_first = (spool->record_first + 1) % spool->record_capacity;
    spool->record_count--;
  }
}
