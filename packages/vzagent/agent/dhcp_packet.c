#include "dhcp_packet.h"

#include <string.h>

enum {
  REQUEST = 1,
  REPLY = 2,
  ETHERNET = 1,
  MAC_LENGTH = 6,
  OPTIONS_AT = 240,
  SMALLEST_SENT = 300,  // what a BOOTP relay expects at least
};

enum option {
  PAD = 0,
  SUBNET_MASK = 1,
  ROUTER = 3,
  DNS_SERVERS = 6,
  DOMAIN_NAME = 15,
  REQUESTED_ADDRESS = 50,
  LEASE_TIME = 51,
  MESSAGE_TYPE = 53,
  SERVER = 54,
  PARAMETERS = 55,
  LARGEST_MESSAGE = 57,
  RENEWAL_TIME = 58,
  REBINDING_TIME = 59,
  END = 255,
};

static const uint8_t cookie[] = {99, 130, 83, 99};

static uint8_t *put(uint8_t *at, enum option option, const void *value, uint8_t length) {
  *at++ = (uint8_t)option;
  *at++ = length;
  memcpy(at, value, length);
  return at + length;
}

size_t dhcp_write(const struct dhcp_question *question, uint8_t packet[DHCP_LARGEST]) {
  static const uint8_t parameters[] = {
      SUBNET_MASK, ROUTER, DNS_SERVERS, DOMAIN_NAME, LEASE_TIME, RENEWAL_TIME, REBINDING_TIME,
  };
  static const uint8_t largest[] = {DHCP_LARGEST >> 8, DHCP_LARGEST & 0xff};
  uint8_t type = (uint8_t)question->type;
  memset(packet, 0, DHCP_LARGEST);
  packet[0] = REQUEST;
  packet[1] = ETHERNET;
  packet[2] = MAC_LENGTH;
  memcpy(packet + 4, &question->transaction, 4);
  // A client without an address cannot be reached but by a broadcast.
  if (question->own.s_addr == 0) packet[10] = 0x80;
  memcpy(packet + 12, &question->own, 4);
  memcpy(packet + 28, question->mac, MAC_LENGTH);
  memcpy(packet + 236, cookie, sizeof cookie);
  uint8_t *at = put(packet + OPTIONS_AT, MESSAGE_TYPE, &type, 1);
  if (question->requested.s_addr != 0) at = put(at, REQUESTED_ADDRESS, &question->requested, 4);
  if (question->server.s_addr != 0) at = put(at, SERVER, &question->server, 4);
  at = put(at, PARAMETERS, parameters, sizeof parameters);
  at = put(at, LARGEST_MESSAGE, largest, sizeof largest);
  *at++ = END;
  size_t length = (size_t)(at - packet);
  return length < SMALLEST_SENT ? SMALLEST_SENT : length;
}

static uint32_t big_endian(const uint8_t *value) {
  return (uint32_t)value[0] << 24 | (uint32_t)value[1] << 16 | (uint32_t)value[2] << 8 | value[3];
}

static void take_domain(struct dhcp_answer *answer, const uint8_t *value, size_t length) {
  while (length > 0 && value[length - 1] == '\0') length--;
  for (size_t i = 0; i < length; i++) {
    bool fits = (value[i] >= 'a' && value[i] <= 'z') || (value[i] >= 'A' && value[i] <= 'Z') || value[i] == '-' ||
                (value[i] >= '0' && value[i] <= '9') || value[i] == '.' || value[i] == '_';
    if (!fits) return;  // it goes into resolv.conf, where a new line would be another setting
  }
  memcpy(answer->domain, value, length);
  answer->domain[length] = '\0';
}

static void take_mask(struct dhcp_answer *answer, uint32_t mask) {
  if ((~mask & (~mask + 1)) == 0) answer->prefix_length = (uint8_t)__builtin_popcount(mask);
}

// One that a single machine can have.
static bool is_host(const uint8_t address[4]) { return address[0] != 0 && address[0] != 127 && address[0] < 224; }

static void take(struct dhcp_answer *answer, uint8_t option, const uint8_t *value, uint8_t length) {
  if (option == MESSAGE_TYPE && length == 1) answer->type = value[0];
  if (option == DOMAIN_NAME) take_domain(answer, value, length);
  if (length < 4) return;
  switch (option) {
    case SUBNET_MASK: take_mask(answer, big_endian(value)); return;
    case ROUTER: memcpy(&answer->router, value, 4); return;
    case SERVER: memcpy(&answer->server, value, 4); return;
    case LEASE_TIME: answer->lease_seconds = big_endian(value); return;
    case RENEWAL_TIME: answer->renewal_seconds = big_endian(value); return;
    case REBINDING_TIME: answer->rebinding_seconds = big_endian(value); return;
    case DNS_SERVERS:
      answer->dns_server_count = length / 4 < DHCP_MOST_SERVERS ? length / 4 : DHCP_MOST_SERVERS;
      memcpy(answer->dns_servers, value, answer->dns_server_count * 4);
      return;
    default: return;
  }
}

bool dhcp_read(const uint8_t *packet, size_t length, uint32_t transaction, const uint8_t mac[6],
               struct dhcp_answer *answer) {
  if (length < OPTIONS_AT || packet[0] != REPLY || packet[2] != MAC_LENGTH) return false;
  if (memcmp(packet + 4, &transaction, 4) != 0 || memcmp(packet + 28, mac, MAC_LENGTH) != 0 ||
      memcmp(packet + 236, cookie, sizeof cookie) != 0) {
    return false;
  }
  *answer = (struct dhcp_answer){.prefix_length = 32};
  memcpy(&answer->address, packet + 16, 4);
  for (size_t at = OPTIONS_AT; at < length && packet[at] != END;) {
    if (packet[at] == PAD) {
      at++;
      continue;
    }
    if (length - at < 2 || length - at - 2 < packet[at + 1]) return false;
    take(answer, packet[at], packet + at + 2, packet[at + 1]);
    at += 2 + (size_t)packet[at + 1];
  }
  if (answer->server.s_addr == 0) return false;
  return answer->type == DHCP_NAK || ((answer->type == DHCP_OFFER || answer->type == DHCP_ACK) && is_host(packet + 16));
}
