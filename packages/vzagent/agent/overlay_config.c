#include "overlay_config.h"

#include "text.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { BASE64_KEY = 44, MOST_PEERS = 4096, MOST_ALLOWED = 65536, LONGEST_CIDR = INET6_ADDRSTRLEN + 4 };

// The value of a digit, without a branch or a look-up that depends on it; less than 0 for what is none.
static int base64_digit(uint8_t digit) {
  int value = -1;
  value += ((('A' - 1 - digit) & (digit - ('Z' + 1))) >> 8) & (digit - 'A' + 1);
  value += ((('a' - 1 - digit) & (digit - ('z' + 1))) >> 8) & (digit - 'a' + 27);
  value += ((('0' - 1 - digit) & (digit - ('9' + 1))) >> 8) & (digit - '0' + 53);
  value += ((('+' - 1 - digit) & (digit - ('+' + 1))) >> 8) & 63;
  value += ((('/' - 1 - digit) & (digit - ('/' + 1))) >> 8) & 64;
  return value;
}

static bool parse_key(struct slice text, uint8_t key[WIREGUARD_KEY]) {
  if (text.length != BASE64_KEY || text.data[BASE64_KEY - 1] != '=') return false;
  int wrong = 0;
  for (size_t group = 0; group < BASE64_KEY / 4; group++) {
    uint32_t bits = 0;
    for (size_t i = 0; i < 4; i++) {
      int digit = group * 4 + i == BASE64_KEY - 1 ? 0 : base64_digit(text.data[group * 4 + i]);
      wrong |= digit;
      bits = bits << 6 | ((uint32_t)digit & 63);
    }
    for (size_t i = 0; i < 3 && group * 3 + i < WIREGUARD_KEY; i++) {
      key[group * 3 + i] = (uint8_t)(bits >> (16 - 8 * i));
    }
    // The last digit has two bits more than there are bytes for.
    if (group * 3 + 3 > WIREGUARD_KEY && (bits & 0xff) != 0) wrong = -1;
  }
  return wrong >= 0;
}

static bool copy_text(struct slice slice, char *text, size_t size) {
  if (slice.length >= size || (slice.length > 0 && memchr(slice.data, 0, slice.length) != NULL)) return false;
  if (slice.length > 0) memcpy(text, slice.data, slice.length);
  text[slice.length] = '\0';
  return true;
}

static bool parse_address(const char *text, struct ip_address *address) {
  if (inet_pton(AF_INET, text, address->bytes) == 1) {
    address->family = AF_INET;
    address->prefix_length = 32;
  } else if (inet_pton(AF_INET6, text, address->bytes) == 1) {
    address->family = AF_INET6;
    address->prefix_length = 128;
  } else {
    return false;
  }
  return true;
}

static bool parse_number(const char *text, uint64_t largest, uint64_t *number) {
  const char *end;
  if (*text < '0' || *text > '9' || strlen(text) > 6) return false;
  *number = text_number(text, 10, &end);
  return *end == '\0' && *number <= largest;
}

// An address with or without a prefix length. Bits behind the prefix are cleared: a route has none.
static bool parse_network(struct slice slice, struct ip_address *network) {
  char text[LONGEST_CIDR];
  if (!copy_text(slice, text, sizeof text)) return false;
  char *slash = strchr(text, '/');
  if (slash != NULL) *slash = '\0';
  *network = (struct ip_address){0};
  if (!parse_address(text, network)) return false;
  uint64_t length = network->prefix_length;
  if (slash != NULL && !parse_number(slash + 1, network->prefix_length, &length)) return false;
  network->prefix_length = (uint8_t)length;
  for (size_t bit = length; bit < ip_length(network) * 8; bit++) network->bytes[bit / 8] &= (uint8_t)~(0x80 >> bit % 8);
  return true;
}

static struct slice next_word(struct slice *rest) {
  while (rest->length > 0 && (*rest->data == ',' || *rest->data == ' ')) rest->data++, rest->length--;
  struct slice word = {.data = rest->data};
  while (rest->length > 0 && *rest->data != ',' && *rest->data != ' ') rest->data++, rest->length--, word.length++;
  return word;
}

static const struct fault *parse_allowed(struct slice text, struct wireguard_peer *peer) {
  struct slice rest = text;
  size_t count = 0;
  while (next_word(&rest).length > 0) count++;
  if (count > MOST_ALLOWED) return fault(FAILURE_KIND_INVALID, "a peer has more than %d allowed IPs", MOST_ALLOWED);
  peer->allowed = calloc(count + 1, sizeof *peer->allowed);
  if (peer->allowed == NULL) return fault(FAILURE_KIND_EXHAUSTED, "out of memory");
  for (rest = text; peer->allowed_count < count; peer->allowed_count++) {
    struct slice word = next_word(&rest);
    struct ip_address *network = &peer->allowed[peer->allowed_count];
    if (!parse_network(word, network)) {
      return fault(FAILURE_KIND_INVALID, "the allowed IP \"%.*s\" is no CIDR", word.length > 64 ? 64 : (int)word.length,
                   (const char *)word.data);
    }
    if (network->prefix_length == 0) {
      return fault(FAILURE_KIND_UNSUPPORTED, "an overlay that takes all traffic would take its own as well");
    }
  }
  return NULL;
}

// ADDRESS:PORT or [ADDRESS]:PORT.
static bool parse_endpoint(struct slice slice, struct wireguard_peer *peer) {
  char text[INET6_ADDRSTRLEN + 16];
  uint64_t port;
  if (!copy_text(slice, text, sizeof text)) return false;
  char *colon = strrchr(text, ':'), *address = text;
  if (colon == NULL || !parse_number(colon + 1, 65535, &port) || port == 0) return false;
  *colon = '\0';
  if (text[0] == '[' && colon[-1] == ']') {
    colon[-1] = '\0';
    address++;
    peer->endpoint.v6.sin6_family = AF_INET6;
    peer->endpoint.v6.sin6_port = htons((uint16_t)port);
    return inet_pton(AF_INET6, address, &peer->endpoint.v6.sin6_addr) == 1;
  }
  peer->endpoint.v4.sin_family = AF_INET;
  peer->endpoint.v4.sin_port = htons((uint16_t)port);
  return inet_pton(AF_INET, address, &peer->endpoint.v4.sin_addr) == 1;
}

static const struct fault *parse_peer(const struct wg_peer *message, struct wireguard_peer *peer) {
  if (!parse_key(message->public_key, peer->public_key)) {
    return fault(FAILURE_KIND_INVALID, "a peer's public key is not 32 bytes in base64");
  }
  if (message->endpoint.length > 0 && !parse_endpoint(message->endpoint, peer)) {
    return fault(FAILURE_KIND_INVALID, "a peer's endpoint is not ADDRESS:PORT");
  }
  if (message->persistent_keepalive_secs > UINT16_MAX) {
    return fault(FAILURE_KIND_INVALID, "a peer's keepalive is longer than 65535 seconds");
  }
  peer->keepalive_seconds = (uint16_t)message->persistent_keepalive_secs;
  return parse_allowed(message->allowed_ips, peer);
}

static bool is_domain(const char *text) {
  return text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_")] == '\0';
}

static const struct fault *parse_dns(const struct overlay_config_message *message, struct overlay_config *config) {
  struct ip_address address;
  if (message->dns_server.present && message->dns_server.value.length > 0 &&
      (!copy_text(message->dns_server.value, config->dns_server, sizeof config->dns_server) ||
       !parse_address(config->dns_server, &address))) {
    return fault(FAILURE_KIND_INVALID, "the overlay's DNS server is no IP address");
  }
  struct slice domain = message->dns_domain.value;
  if (message->dns_domain.present && (!copy_text(domain, config->dns_domain, sizeof config->dns_domain) ||
                                      !is_domain(config->dns_domain))) {
    return fault(FAILURE_KIND_INVALID, "the overlay's DNS domain is no domain name");
  }
  return NULL;
}

const struct fault *overlay_config_parse(const struct overlay_config_message *message, struct overlay_config *config) {
  char address[INET6_ADDRSTRLEN];
  *config = (struct overlay_config){.listen_port = message->listen_port};
  if (!copy_text(message->overlay_ip, address, sizeof address) || !parse_address(address, &config->address) ||
      message->prefix_len > config->address.prefix_length) {
    return fault(FAILURE_KIND_INVALID, "the overlay's own address is no IP address with a prefix length");
  }
  config->address.prefix_length = message->prefix_len;
  if (!parse_key(message->private_key, config->private_key)) {
    return fault(FAILURE_KIND_INVALID, "the private key is not 32 bytes in base64");
  }
  if (message->peers.count > MOST_PEERS) return fault(FAILURE_KIND_INVALID, "more than %d peers", MOST_PEERS);
  config->peers = calloc(message->peers.count + 1, sizeof *config->peers);
  if (config->peers == NULL) return fault(FAILURE_KIND_EXHAUSTED, "out of memory");
  const struct fault *failed = parse_dns(message, config);
  struct reader in = list_reader(message->peers);
  struct wg_peer peer;
  while (failed == NULL && wg_peer_next(&in, &peer)) failed = parse_peer(&peer, &config->peers[config->peer_count++]);
  return failed;
}

void overlay_config_free(struct overlay_config *config) {
  for (size_t i = 0; i < config->peer_count; i++) free(config->peers[i].allowed);
  free(config->peers);
  explicit_bzero(config, sizeof *config);
}
