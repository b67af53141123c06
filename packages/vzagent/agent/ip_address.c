#include "ip_address.h"

#include "text.h"

#include <string.h>

enum { GROUPS = 8 };

static unsigned group_at(const uint8_t *bytes, size_t index) {
  return (unsigned)(bytes[2 * index] << 8 | bytes[2 * index + 1]);
}

static size_t zeros_from(const uint8_t *bytes, size_t first) {
  size_t count = 0;
  while (first + count < GROUPS && group_at(bytes, first + count) == 0) count++;
  return count;
}

static const char *ipv6_text(const uint8_t *bytes, char text[INET6_ADDRSTRLEN]) {
  // Of the longest runs of at least two zeros the first is left out.
  size_t gap = GROUPS, gap_length = 1, length = 0;
  for (size_t i = 0; i < GROUPS; i++) {
    if (zeros_from(bytes, i) <= gap_length) continue;
    gap = i;
    gap_length = zeros_from(bytes, i);
  }
  for (size_t i = 0; i < GROUPS;) {
    char *at = text + length;
    size_t room = INET6_ADDRSTRLEN - length;
    if (i == gap) {
      length += (size_t)text_format(at, room, "::");
      i += gap_length;
    } else {
      bool is_first = i == 0 || i == gap + gap_length;
      length += (size_t)text_format(at, room, "%s%x", is_first ? "" : ":", group_at(bytes, i++));
    }
  }
  return text;
}

const char *ipv4_text(struct in_addr address, char text[INET_ADDRSTRLEN]) {
  uint8_t byte[4];
  memcpy(byte, &address, sizeof byte);
  text_format(text, INET_ADDRSTRLEN, "%u.%u.%u.%u", byte[0], byte[1], byte[2], byte[3]);
  return text;
}

const char *ip_text(const struct ip_address *address, char text[INET6_ADDRSTRLEN]) {
  if (address->family == AF_INET6) return ipv6_text(address->bytes, text);
  struct in_addr ipv4;
  memcpy(&ipv4, address->bytes, sizeof ipv4);
  return ipv4_text(ipv4, text);
}
