// Feeds bytes from outside to the parsers of the machine side: parsers tar|dhcp|overlay FILE. Ends with 0 whatever they
// say. With `text`, each line of the file is a number that is read and written as the C library does it, and one with
// `address`, an IPv6 address: prints what is different.
#include "../dhcp_packet.h"
#include "../frame.h"
#include "../overlay_config.h"
#include "../ip_address.h"
#include "../tar.h"
#include "../text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct input {
  const uint8_t *at;
  size_t left;
};

static long pull(void *context, void *data, size_t size) {
  struct input *input = context;
  // In odd pieces, as a network brings them.
  if (size > 700) size = 700;
  if (size > input->left) size = input->left;
  memcpy(data, input->at, size);
  input->at += size;
  input->left -= size;
  return (long)size;
}

static void print_entry(const struct tar_entry *entry) {
  printf("%c %s %s %o %u %u %llu %lld.%09ld", entry->type, entry->name, entry->link, (unsigned)entry->mode, entry->uid,
         entry->gid,
         (unsigned long long)entry->size, (long long)entry->modified.tv_sec, entry->modified.tv_nsec);
  const char *name;
  const uint8_t *value;
  size_t at = 0, length;
  while (tar_attribute_next(&entry->attributes, &at, &name, &value, &length)) {
    printf(" %s=%.*s", name, (int)length, (const char *)value);
  }
  printf("\n");
}

// Writes each entry anew and reads it back: it has to be the same.
static void check_round_trip(const struct tar_entry *entry) {
  struct bytes out = {0};
  static struct tar_entry again;
  const char *fault;
  if (!tar_write_header(&out, entry) || !tar_write_end(&out)) abort();
  struct input input = {.at = bytes_head(&out), .left = bytes_length(&out)};
  struct tar_reader reader = {.pull = pull, .context = &input};
  if (tar_next(&reader, &again, &fault) != TAR_ENTRY || strcmp(again.name, entry->name) != 0 ||
      (entry->type == TAR_LINK && strcmp(again.link, entry->link) != 0) || again.size != entry->size ||
      again.modified.tv_sec != entry->modified.tv_sec || again.modified.tv_nsec != entry->modified.tv_nsec ||
      again.uid != entry->uid || bytes_length(&again.attributes) != bytes_length(&entry->attributes)) {
    printf("not the same again: ");
    print_entry(&again);
  }
  bytes_free(&again.attributes);
  bytes_free(&out);
}

static void read_tar(const uint8_t *data, size_t length) {
  struct input input = {.at = data, .left = length};
  struct tar_reader reader = {.pull = pull, .context = &input};
  static struct tar_entry entry;
  const char *fault = "";
  enum tar_result result;
  while ((result = tar_next(&reader, &entry, &fault)) == TAR_ENTRY) {
    uint8_t content[512];
    print_entry(&entry);
    check_round_trip(&entry);
    if (tar_read(&reader, content, sizeof content) < 0) printf("cut\n");
  }
  printf("%s\n", result == TAR_END ? "end" : fault);
  bytes_free(&entry.attributes);
}

static void read_dhcp(const uint8_t *data, size_t length) {
  struct dhcp_answer answer;
  uint32_t transaction;
  if (length < 10) return;
  memcpy(&transaction, data + 4, 4);
  if (!dhcp_read(data, length, transaction, (const uint8_t *)"\x52\x54\x00\xaa\xbb\xcc", &answer)) {
    printf("malformed\n");
    return;
  }
  printf("%d /%u %zu %s %u\n", answer.type, answer.prefix_length, answer.dns_server_count, answer.domain,
         answer.lease_seconds);
}

static void read_overlay(const uint8_t *data, size_t length) {
  struct message message;
  struct overlay_config config;
  if (length < FRAME_HEADER || message_decode(data + FRAME_HEADER, length - FRAME_HEADER, &message) != NULL) return;
  if (message.tag != TAG_CONFIGURE_OVERLAY) return;
  const struct fault *failed = overlay_config_parse(&message.configure_overlay, &config);
  printf("%s %zu\n", failed == NULL ? "fine" : failed->text, config.peer_count);
  for (size_t i = 0; failed == NULL && i < WIREGUARD_KEY; i++) printf("%02x", config.private_key[i]);
  printf("\n");
  overlay_config_free(&config);
}

static char ours[128], theirs[sizeof ours];

static void compare(const char *what, int length, int wanted) {
  if (length == wanted && strcmp(ours, theirs) == 0) return;
  printf("%s: \"%s\" (%d) instead of \"%s\" (%d)\n", what, ours, length, theirs, wanted);
}

#define COMPARE(room, ...) \
  compare(#__VA_ARGS__, text_format(ours, room, __VA_ARGS__), snprintf(theirs, room, __VA_ARGS__))

static void check_number(const char *line) {
  char *their_end;
  const char *our_end;
  errno = 0;
  uint64_t number = strtoull(line, &their_end, 10);
  if (text_number(line, 10, &our_end) != number || our_end != their_end) printf("read differently: %s\n", line);
  if (text_number(line, 16, NULL) != strtoull(line, NULL, 16)) printf("read differently in base 16: %s\n", line);
  long long large = (long long)number;
  // Longer than the room, too: what is cut off is counted, and the end is where it has to be.
  for (size_t room = 1; room <= sizeof ours; room += 9) {
    COMPARE(room, "%s is %llu, %lld, %lx and %zu%%", line, (unsigned long long)number, large, (unsigned long)number,
            (size_t)number);
    COMPARE(room, "%d %u %x %o %02x", (int)number, (unsigned)number, (unsigned)number, (unsigned)number,
            (unsigned)number & 0xff);
    COMPARE(room, "<%.*s> <%.3s> %09ld", (int)(number % 7), line, line, (long)(number % 1000000000));
    errno = (int)(number % 130);
    COMPARE(room, "%m");
  }
}

static void check_address(const char *line) {
  struct ip_address address = {.family = AF_INET6};
  if (inet_pton(AF_INET6, line, address.bytes) != 1) {
    address.family = AF_INET;
    if (inet_pton(AF_INET, line, address.bytes) != 1) printf("no address: %s\n", line);
  }
  ip_text(&address, ours);
  inet_ntop(address.family, address.bytes, theirs, sizeof theirs);
  compare("address", 0, 0);
}

static void for_each_line(char *text, void (*check)(const char *line)) {
  for (char *line; (line = strsep(&text, "\n")) != NULL;) check(line);
}

int main(int count, char **arguments) {
  if (count != 3) return 2;
  FILE *file = fopen(arguments[2], "rb");
  if (file == NULL) return 2;
  // Exactly as much memory as there are bytes, so that a step beyond is seen.
  fseek(file, 0, SEEK_END);
  size_t length = (size_t)ftell(file);
  rewind(file);
  bool is_lines = strcmp(arguments[1], "text") == 0 || strcmp(arguments[1], "address") == 0;
  uint8_t *data = calloc(1, length + (is_lines || length == 0));
  if (data == NULL || fread(data, 1, length, file) != length) return 2;
  fclose(file);
  if (strcmp(arguments[1], "tar") == 0) read_tar(data, length);
  if (strcmp(arguments[1], "dhcp") == 0) read_dhcp(data, length);
  if (strcmp(arguments[1], "overlay") == 0) read_overlay(data, length);
  if (strcmp(arguments[1], "text") == 0) for_each_line((char *)data, check_number);
  if (strcmp(arguments[1], "address") == 0) for_each_line((char *)data, check_address);
  free(data);
  return 0;
}
