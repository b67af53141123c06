#include "cmdline.h"

#include "log.h"
#include "text.h"

#include <string.h>

// The value when the word of `length` bytes at `word` is `key` and a value, or null.
static const char *value_of(const char *word, size_t length, const char *key) {
  size_t key_length = strlen(key);
  return length >= key_length && memcmp(word, key, key_length) == 0 ? word + key_length : NULL;
}

static uint64_t number(const char *value, const char *end, uint64_t largest) {
  const char *stop;
  uint64_t parsed = text_number(value, 10, &stop);
  if (stop == end && parsed > 0 && parsed <= largest) return parsed;
  log_line("ignored on the kernel command line: not a number from 1 to %llu: %.*s", (unsigned long long)largest,
           (int)(end - value), value);
  return 0;
}

// Copies a value, unless it is longer than `room` with its end.
static void take_text(const char *value, const char *end, char *text, size_t room, const char *key) {
  size_t length = (size_t)(end - value);
  if (length >= room) return log_line("ignored on the kernel command line: %s is longer than %zu bytes", key, room - 1);
  memcpy(text, value, length);
  text[length] = '\0';
}

static void take_word(const char *word, size_t length, struct cmdline *cmdline) {
  const char *end = word + length, *value;
  if ((value = value_of(word, length, "rootfstag=")) != NULL) {
    take_text(value, end, cmdline->rootfs_tag, sizeof cmdline->rootfs_tag, "rootfstag");
  } else if ((value = value_of(word, length, "zlayer.channel=")) != NULL) {
    take_text(value, end, cmdline->channel, sizeof cmdline->channel, "zlayer.channel");
  } else if ((value = value_of(word, length, "zlayer.boottime=")) != NULL) {
    cmdline->boot_time = (int64_t)number(value, end, INT64_MAX / 2);
  } else if ((value = value_of(word, length, "zlayer.net=")) != NULL) {
    bool none = end - value == 4 && memcmp(value, "none", 4) == 0;
    bool dhcp = end - value == 4 && memcmp(value, "dhcp", 4) == 0;
    if (!none && !dhcp) log_line("ignored on the kernel command line: zlayer.net is neither dhcp nor none");
    cmdline->no_dhcp = none;
  } else if ((value = value_of(word, length, "zlayer.ready=")) != NULL) {
    cmdline->ready_port = (uint32_t)number(value, end, UINT32_MAX - 1);
  } else if ((value = value_of(word, length, "zlayer.files=")) != NULL) {
    cmdline->files = (uint32_t)number(value, end, UINT32_MAX);
  }
}

void cmdline_parse(const char *text, struct cmdline *cmdline) {
  // A VMM may have put words in quotes; none of ours has a space in it.
  static const char between[] = " \t\n\"";
  *cmdline = (struct cmdline){0};
  while (*text != '\0') {
    text += strspn(text, between);
    size_t length = strcspn(text, between);
    take_word(text, length, cmdline);
    text += length;
  }
}
