#include "tar.h"

#include "text.h"

#include <string.h>

enum { SHORT_NAME = 100, LARGEST_ID = 07777777 };
#define LARGEST_SIZE UINT64_C(077777777777)

static size_t digits(size_t number) {
  size_t count = 1;
  while (number >= 10) number /= 10, count++;
  return count;
}

// "LENGTH KEY=VALUE\n": the length counts its own digits.
static bool add_record(struct bytes *records, const char *prefix, const char *key, const void *value,
                       size_t value_length) {
  size_t rest = strlen(prefix) + strlen(key) + value_length + 3;
  size_t length = rest + digits(rest + digits(rest));
  char head[32];
  int written = text_format(head, sizeof head, "%zu ", length);
  return bytes_append(records, head, (size_t)written) && bytes_append(records, prefix, strlen(prefix)) &&
         bytes_append(records, key, strlen(key)) && bytes_append(records, "=", 1) &&
         bytes_append(records, value, value_length) && bytes_append(records, "\n", 1);
}

static bool add_number(struct bytes *records, const char *key, uint64_t value) {
  char text[24];
  return add_record(records, "", key, text, (size_t)text_format(text, sizeof text, "%llu", (unsigned long long)value));
}

static bool add_time(struct bytes *records, const struct timespec *time) {
  char text[48];
  long long seconds = time->tv_sec;
  long nanos = time->tv_nsec;
  bool negative = seconds < 0;
  if (negative) {
    seconds = -seconds - (nanos > 0 ? 1 : 0);
    nanos = nanos > 0 ? 1000000000 - nanos : 0;
  }
  int length = text_format(text, sizeof text, "%s%lld.%09ld", negative ? "-" : "", seconds, nanos);
  return add_record(records, "", "mtime", text, (size_t)length);
}

// What a plain header cannot hold.
static bool make_records(struct bytes *records, const struct tar_entry *entry) {
  bool made = true;
  size_t name = strlen(entry->name), link = strlen(entry->link);
  if (name > SHORT_NAME) made = made && add_record(records, "", "path", entry->name, name);
  if (link > SHORT_NAME) made = made && add_record(records, "", "linkpath", entry->link, link);
  if (entry->size > LARGEST_SIZE) made = made && add_number(records, "size", entry->size);
  if (entry->uid > LARGEST_ID) made = made && add_number(records, "uid", entry->uid);
  if (entry->gid > LARGEST_ID) made = made && add_number(records, "gid", entry->gid);
  if (entry->modified.tv_nsec != 0 || entry->modified.tv_sec < 0 || (uint64_t)entry->modified.tv_sec > LARGEST_SIZE) {
    made = made && add_time(records, &entry->modified);
  }
  const char *key;
  const uint8_t *value;
  size_t at = 0, length;
  while (made && tar_attribute_next(&entry->attributes, &at, &key, &value, &length)) {
    made = add_record(records, "SCHILY.xattr.", key, value, length);
  }
  return made;
}

static void put_text(uint8_t *field, const char *text) {
  size_t length = strlen(text);
  memcpy(field, text, length > SHORT_NAME ? SHORT_NAME : length);
}

static void put_octal(uint8_t *field, size_t digits_wanted, uint64_t number) {
  for (size_t i = digits_wanted; i > 0; i--, number >>= 3) field[i - 1] = (uint8_t)('0' + (number & 7));
}

static bool add_header(struct bytes *out, const struct tar_entry *entry, uint8_t type) {
  uint8_t header[TAR_BLOCK] = {0};
  uint32_t sum = 0;
  put_text(header, entry->name);
  put_octal(header + 100, 7, entry->mode);
  put_octal(header + 108, 7, entry->uid > LARGEST_ID ? 0 : entry->uid);
  put_octal(header + 116, 7, entry->gid > LARGEST_ID ? 0 : entry->gid);
  put_octal(header + 124, 11, entry->size > LARGEST_SIZE ? 0 : entry->size);
  put_octal(header + 136, 11, entry->modified.tv_sec < 0 ? 0 : (uint64_t)entry->modified.tv_sec);
  memset(header + 148, ' ', 8);
  header[156] = type;
  put_text(header + 157, entry->link);
  memcpy(header + 257, "ustar\0" "00", 8);
  put_octal(header + 329, 7, entry->major_number);
  put_octal(header + 337, 7, entry->minor_number);
  for (int i = 0; i < TAR_BLOCK; i++) sum += header[i];
  put_octal(header + 148, 6, sum);
  header[154] = '\0';
  return bytes_append(out, header, sizeof header);
}

bool tar_write_header(struct bytes *out, const struct tar_entry *entry) {
  static const uint8_t nothing[TAR_BLOCK];
  struct bytes records = {0};
  bool written = make_records(&records, entry);
  size_t length = bytes_length(&records);
  if (written && length > 0) {
    static struct tar_entry extension;
    memcpy(extension.name, "PaxHeaders/entry", sizeof "PaxHeaders/entry");
    extension.mode = 0644;
    extension.size = length;
    written = add_header(out, &extension, 'x') && bytes_append(out, bytes_head(&records), length) &&
              bytes_append(out, nothing, -length & (TAR_BLOCK - 1));
  }
  bytes_free(&records);
  return written && add_header(out, entry, (uint8_t)entry->type);
}

bool tar_write_end(struct bytes *out) {
  static const uint8_t nothing[2 * TAR_BLOCK];
  return bytes_append(out, nothing, sizeof nothing);
}
