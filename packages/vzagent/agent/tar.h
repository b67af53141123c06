// Tar streams: ustar with the extended headers of POSIX (pax) both ways, GNU's long names and large numbers when
// reading.
#ifndef VZAGENT_TAR_H
#define VZAGENT_TAR_H

#include "bytes.h"

#include <sys/stat.h>

enum { TAR_BLOCK = 512, TAR_LONGEST_NAME = 4095, TAR_LARGEST_EXTENSION = 1024 * 1024 };

// Types of entries, as the format has them.
enum tar_type {
  TAR_FILE = '0',
  TAR_HARD_LINK = '1',
  TAR_LINK = '2',
  TAR_CHARACTER_DEVICE = '3',
  TAR_BLOCK_DEVICE = '4',
  TAR_FOLDER = '5',
  TAR_FIFO = '6',
};

struct tar_entry {
  enum tar_type type;
  char name[TAR_LONGEST_NAME + 1];
  char link[TAR_LONGEST_NAME + 1];
  mode_t mode;  // permissions alone
  uint32_t uid;
  uint32_t gid;
  uint64_t size;  // of a file's content; else 0
  struct timespec modified;
  unsigned major_number;
  unsigned minor_number;
  struct bytes attributes;  // extended ones: after each other name, NUL, length (size_t), value
};

// One extended attribute after the other, from `at` = 0; false at the end.
bool tar_attribute_next(const struct bytes *attributes, size_t *at, const char **name, const uint8_t **value,
                        size_t *length);
bool tar_attribute_add(struct bytes *attributes, const char *name, const void *value, size_t length);

struct tar_reader {
  // Brings up to `size` bytes, 0 at the end; less than 0 when there will be no more, with a reason of its own.
  long (*pull)(void *context, void *data, size_t size);
  void *context;
  uint64_t content;  // of the entry, not yet read
  uint64_t padding;  // behind it
  bool broken;       // `pull` has failed
};

enum tar_result { TAR_ENTRY, TAR_END, TAR_MALFORMED, TAR_BROKEN };

// The next entry; what is left of the last one's content is skipped. With TAR_MALFORMED `fault` says why. The entry
// begins as {0}; give its memory back with bytes_free(&entry->attributes) at last.
enum tar_result tar_next(struct tar_reader *reader, struct tar_entry *entry, const char **fault);

// Content of the entry: 0 at its end, less than 0 when the stream ends before.
long tar_read(struct tar_reader *reader, void *data, size_t size);

// Appends the headers of an entry; content and padding up to a whole block follow. False when memory is short.
bool tar_write_header(struct bytes *out, const struct tar_entry *entry);

// Two empty blocks.
bool tar_write_end(struct bytes *out);

#endif
