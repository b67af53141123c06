// Feeds bytes from outside to the parsers of the machine side: parsers tar|dhcp|overlay FILE. Ends with 0 whatever they
// say.
#include "../dhcp_packet.h"
#include "../frame.h"
#include "../overlay_config.h"
#include "../tar.h"

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

int main(int count, char **arguments) {
  if (count != 3) return 2;
  FILE *file = fopen(arguments[2], "rb");
  if (file == NULL) return 2;
  // Exactly as much memory as there are bytes, so that a step beyond is seen.
  fseek(file, 0, SEEK_END);
  size_t length = (size_t)ftell(file);
  rewind(file);
  uint8_t *data = malloc(length + (length == 0));
  if (fread(data, 1, length, file) != length) return 2;
  fclose(file);
  if (strcmp(arguments[1], "tar") == 0) read_tar(data, length);
  if (strcmp(arguments[1], "dhcp") == 0) read_dhcp(data, length);
  if (strcmp(arguments[1], "overlay") == 0) read_overlay(data, length);
  free(data);
  return 0;
}
