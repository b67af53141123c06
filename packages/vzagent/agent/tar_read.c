#include "tar.h"

#include "text.h"

#include <stdlib.h>
#include <string.h>

// Where the header's fields lie: https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html
enum {
  NAME = 0,
  MODE = 100,
  UID = 108,
  GID = 116,
  SIZE = 124,
  MODIFIED = 136,
  CHECKSUM = 148,
  TYPE = 156,
  LINK = 157,
  MAGIC = 257,
  MAJOR = 329,
  MINOR = 337,
  PREFIX = 345,
};

enum { SHORT_NAME = 100, PREFIX_LENGTH = 155, SKIP_AT_ONCE = 4096, MOST_EXTENSIONS = 16 };

// What extended headers said about the next entry.
struct extension {
  bool has_name, has_link, has_size, has_uid, has_gid, has_time;
  uint64_t size;
  uint64_t uid;
  uint64_t gid;
};

static bool pull_all(struct tar_reader *reader, void *data, size_t size) {
  for (uint8_t *at = data; size > 0;) {
    long got = reader->pull(reader->context, at, size);
    if (got <= 0) {
      reader->broken = got < 0;
      return false;
    }
    at += got;
    size -= (size_t)got;
  }
  return true;
}

static bool skip(struct tar_reader *reader, uint64_t size) {
  uint8_t ignored[SKIP_AT_ONCE];
  while (size > 0) {
    size_t part = size < sizeof ignored ? (size_t)size : sizeof ignored;
    if (!pull_all(reader, ignored, part)) return false;
    size -= part;
  }
  return true;
}

// Octal digits among spaces, or GNU's form for larger numbers: the first bit set, and the rest big-endian.
static bool read_number(const uint8_t *field, size_t length, uint64_t *number) {
  *number = 0;
  if ((field[0] & 0x80) != 0) {
    if (field[0] != 0x80) return false;  // negative, or above 64 bits
    for (size_t i = 1; i < length; i++) {
      if (*number >> 56 != 0) return false;
      *number = *number << 8 | field[i];
    }
    return true;
  }
  size_t at = 0;
  while (at < length && field[at] == ' ') at++;
  for (; at < length && field[at] >= '0' && field[at] <= '7'; at++) {
    if (*number >> 61 != 0) return false;
    *number = *number << 3 | (uint64_t)(field[at] - '0');
  }
  return at == length || field[at] == ' ' || field[at] == '\0';
}

static bool has_good_checksum(const uint8_t *header) {
  uint64_t said;
  uint32_t sum = 0;
  if (!read_number(header + CHECKSUM, 8, &said)) return false;
  for (int i = 0; i < TAR_BLOCK; i++) sum += i >= CHECKSUM && i < CHECKSUM + 8 ? ' ' : header[i];
  return said == sum;
}

static void copy_text(char *to, const uint8_t *from, size_t longest) {
  size_t length = strnlen((const char *)from, longest);
  memcpy(to, from, length);
  to[length] = '\0';
}

static void read_names(const uint8_t *header, const struct extension *extension, struct tar_entry *entry) {
  if (!extension->has_name) {
    size_t prefix = 0;
    // GNU's old format has no prefix there but times.
    if (memcmp(header + MAGIC, "ustar\0", 6) == 0) {
      copy_text(entry->name, header + PREFIX, PREFIX_LENGTH);
      prefix = strlen(entry->name);
      if (prefix > 0) entry->name[prefix++] = '/';
    }
    copy_text(entry->name + prefix, header + NAME, SHORT_NAME);
  }
  if (!extension->has_link) copy_text(entry->link, header + LINK, SHORT_NAME);
}

// The number that a pax record gives: all of the value, decimal.
static bool read_decimal(const char *value, uint64_t *number) {
  if (*value < '0' || *value > '9' || strlen(value) > 19) return false;
  const char *end;
  *number = text_number(value, 10, &end);
  return *end == '\0';
}

// Seconds with a fraction, possibly before 1970.
static bool read_time(const char *value, struct timespec *time) {
  bool negative = *value == '-';
  if (negative) value++;
  const char *end;
  if (*value < '0' || *value > '9' || strspn(value, "0123456789") > 18) return false;
  int64_t seconds = (int64_t)text_number(value, 10, &end);
  long nanos = 0;
  if (*end == '.') {
    long unit = 100000000;
    for (end++; *end >= '0' && *end <= '9'; end++, unit /= 10) nanos += unit * (*end - '0');
  }
  if (*end != '\0') return false;
  if (negative) seconds = -seconds - (nanos > 0 ? 1 : 0);
  *time = (struct timespec){.tv_sec = seconds, .tv_nsec = negative && nanos > 0 ? 1000000000 - nanos : nanos};
  return true;
}

static bool take_name(char *to, const char *value, size_t length) {
  if (length > TAR_LONGEST_NAME || strlen(value) != length) return false;
  memcpy(to, value, length + 1);
  return true;
}

#define ATTRIBUTE "SCHILY.xattr."

static const char *take_record(const char *key, const char *value, size_t length, struct extension *extension,
                               struct tar_entry *entry) {
  static const char bad_value[] = "an extended header has a value that is not possible";
  if (strcmp(key, "path") == 0) return (extension->has_name = take_name(entry->name, value, length)) ? NULL : bad_value;
  if (strcmp(key, "linkpath") == 0) {
    return (extension->has_link = take_name(entry->link, value, length)) ? NULL : bad_value;
  }
  if (strcmp(key, "size") == 0) return (extension->has_size = read_decimal(value, &extension->size)) ? NULL : bad_value;
  if (strcmp(key, "uid") == 0) return (extension->has_uid = read_decimal(value, &extension->uid)) ? NULL : bad_value;
  if (strcmp(key, "gid") == 0) return (extension->has_gid = read_decimal(value, &extension->gid)) ? NULL : bad_value;
  if (strcmp(key, "mtime") == 0) return (extension->has_time = read_time(value, &entry->modified)) ? NULL : bad_value;
  if (strncmp(key, "GNU.sparse.", 11) == 0) return "sparse files are not supported";
  if (strncmp(key, ATTRIBUTE, sizeof ATTRIBUTE - 1) != 0) return NULL;
  return tar_attribute_add(&entry->attributes, key + sizeof ATTRIBUTE - 1, value, length) ? NULL : "out of memory";
}

// Records of "LENGTH KEY=VALUE\n", where LENGTH counts all of it.
static const char *take_records(char *text, size_t size, struct extension *extension, struct tar_entry *entry) {
  static const char malformed[] = "an extended header is malformed";
  for (size_t at = 0; at < size;) {
    const char *key;
    if (text[at] < '0' || text[at] > '9') return malformed;
    uint64_t length = text_number(text + at, 10, &key);
    if (*key != ' ' || length > size - at || length < (size_t)(key - (text + at)) + 3) return malformed;
    char *end = text + at + length - 1, *equals = memchr(key, '=', (size_t)(end - key));
    if (*end != '\n' || equals == NULL) return malformed;
    *equals = *end = '\0';
    const char *fault = take_record(key + 1, equals + 1, (size_t)(end - equals - 1), extension, entry);
    if (fault != NULL) return fault;
    at += length;
  }
  return NULL;
}

static bool is_extension(uint8_t type) { return type == 'x' || type == 'g' || type == 'L' || type == 'K'; }

static const char *take_extension(uint8_t type, char *text, size_t size, struct extension *extension,
                                  struct tar_entry *entry) {
  if (type == 'g') return NULL;  // what holds for all entries is a comment, in the archives that there are
  if (type == 'x') return take_records(text, size, extension, entry);
  size_t length = strnlen(text, size);
  if (length > TAR_LONGEST_NAME) return "a name is too long";
  memcpy(type == 'L' ? entry->name : entry->link, text, length + 1);
  *(type == 'L' ? &extension->has_name : &extension->has_link) = true;
  return NULL;
}

static const char *read_extension(struct tar_reader *reader, const uint8_t *header, struct extension *extension,
                                  struct tar_entry *entry) {
  uint64_t size;
  if (!read_number(header + SIZE, 12, &size)) return "a number is malformed";
  if (size > TAR_LARGEST_EXTENSION) return "an extended header is larger than 1 MiB";
  char *text = malloc(size + 1);
  if (text == NULL) return "out of memory";
  const char *fault = "it ends within an extended header";
  if (pull_all(reader, text, size) && skip(reader, -size & (TAR_BLOCK - 1))) {
    text[size] = '\0';
    fault = take_extension(header[TYPE], text, size, extension, entry);
  }
  free(text);
  return fault;
}

static const char *read_entry(const uint8_t *header, const struct extension *extension, struct tar_entry *entry) {
  uint64_t mode, uid, gid, size, seconds, major_number = 0, minor_number = 0;
  read_names(header, extension, entry);
  if (!read_number(header + MODE, 8, &mode) || !read_number(header + UID, 8, &uid) ||
      !read_number(header + GID, 8, &gid) || !read_number(header + SIZE, 12, &size)) {
    return "a number is malformed";
  }
  if (!extension->has_time) {
    // Before 1970 GNU tar writes a negative number in its form for large ones; nothing is lost with it.
    if (!read_number(header + MODIFIED, 12, &seconds) || seconds > INT64_MAX / 2) seconds = 0;
    entry->modified = (struct timespec){.tv_sec = (time_t)seconds};
  }
  if (extension->has_uid) uid = extension->uid;
  if (extension->has_gid) gid = extension->gid;
  if (extension->has_size) size = extension->size;
  if (uid >= UINT32_MAX || gid >= UINT32_MAX) return "an owner's number is too large";
  if (size > INT64_MAX / 2) return "a file is too large";
  uint8_t type = header[TYPE] == '\0' || header[TYPE] == '7' ? TAR_FILE : header[TYPE];
  size_t length = strlen(entry->name);
  if (length == 0) return "an entry has no name";
  if (type == TAR_FILE && entry->name[length - 1] == '/') type = TAR_FOLDER;
  if (type < TAR_FILE || type > TAR_FIFO) return "an entry has a type that is not supported";
  if ((type == TAR_CHARACTER_DEVICE || type == TAR_BLOCK_DEVICE) &&
      (!read_number(header + MAJOR, 8, &major_number) || !read_number(header + MINOR, 8, &minor_number) ||
       major_number > 0xfff || minor_number > 0xfffff)) {
    return "a device's number is malformed";
  }
  entry->type = type;
  entry->mode = (mode_t)(mode & 07777);
  entry->uid = (uint32_t)uid;
  entry->gid = (uint32_t)gid;
  entry->size = size;
  entry->major_number = (unsigned)major_number;
  entry->minor_number = (unsigned)minor_number;
  return NULL;
}

static bool is_empty(const uint8_t *block) {
  for (int i = 0; i < TAR_BLOCK; i++) {
    if (block[i] != 0) return false;
  }
  return true;
}

static enum tar_result stopped(const struct tar_reader *reader, const char *reason, const char **fault) {
  *fault = reason;
  return reader->broken ? TAR_BROKEN : TAR_MALFORMED;
}

enum tar_result tar_next(struct tar_reader *reader, struct tar_entry *entry, const char **fault) {
  uint8_t header[TAR_BLOCK];
  struct extension extension = {0};
  if (!skip(reader, reader->content + reader->padding)) return stopped(reader, "it ends within a file", fault);
  reader->content = reader->padding = 0;
  bytes_free(&entry->attributes);
  *entry = (struct tar_entry){0};
  for (int extensions = 0; extensions < MOST_EXTENSIONS; extensions++) {
    if (!pull_all(reader, header, sizeof header)) return stopped(reader, "it has no end", fault);
    if (is_empty(header)) return TAR_END;
    if (!has_good_checksum(header)) return stopped(reader, "a header has a wrong checksum", fault);
    if (is_extension(header[TYPE])) {
      *fault = read_extension(reader, header, &extension, entry);
      if (*fault != NULL) return stopped(reader, *fault, fault);
      continue;
    }
    *fault = read_entry(header, &extension, entry);
    if (*fault != NULL) return TAR_MALFORMED;
    // Old programs write a link's target size there, though nothing follows.
    if (entry->type != TAR_FILE) entry->size = 0;
    reader->content = entry->size;
    reader->padding = -entry->size & (TAR_BLOCK - 1);
    return TAR_ENTRY;
  }
  return stopped(reader, "an entry has too many extended headers", fault);
}

long tar_read(struct tar_reader *reader, void *data, size_t size) {
  if (size > reader->content) size = (size_t)reader->content;
  if (size == 0) return 0;
  long got = reader->pull(reader->context, data, size);
  if (got <= 0) {
    reader->broken = got < 0;
    return -1;
  }
  reader->content -= (uint64_t)got;
  return got;
}

bool tar_attribute_add(struct bytes *attributes, const char *name, const void *value, size_t length) {
  size_t before = bytes_length(attributes);
  if (bytes_append(attributes, name, strlen(name) + 1) && bytes_append(attributes, &length, sizeof length) &&
      bytes_append(attributes, value, length)) {
    return true;
  }
  attributes->end = attributes->start + before;
  return false;
}

bool tar_attribute_next(const struct bytes *attributes, size_t *at, const char **name, const uint8_t **value,
                        size_t *length) {
  if (*at >= bytes_length(attributes)) return false;
  const uint8_t *head = bytes_head(attributes) + *at;
  size_t name_length = strlen((const char *)head) + 1;
  *name = (const char *)head;
  memcpy(length, head + name_length, sizeof *length);
  *value = head + name_length + sizeof *length;
  *at += name_length + sizeof *length + *length;
  return true;
}
