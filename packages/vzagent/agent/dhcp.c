#include "dhcp.h"

#include "log.h"
#include "loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
  SERVER_PORT = 67,
  CLIENT_PORT = 68,
  FIRST_RETRY_MILLIS = 500,  // the server is next door, in the VMM
  LAST_RETRY_MILLIS = 16000,
  UDP_PROTOCOL_AT = 9,       // in an IPv4 header
  UDP_HEADER = 8,
  SHORTEST_LEASE_SECONDS = 30,
  LONGEST_LEASE_SECONDS = 30 * 24 * 3600,
};

enum state { SELECTING, REQUESTING, BOUND, RENEWING, REBINDING, REFUSED };

static struct {
  enum state state;
  struct source source;  // of whole packets: some servers send to the address that they offer, which no other socket gets
  int sender;
  struct timer retry;
  struct timer next;  // renewal, rebinding, or the lease's end
  uint64_t retry_millis;
  int interface;
  char name[IF_NAMESIZE];
  uint8_t mac[6];
  uint32_t transaction;
  struct dhcp_answer lease;  // the offer, while requesting
  void (*changed)(const struct dhcp_answer *lease);
} client;

static void begin(enum state state);
static void ready(struct source *source, uint32_t events);

static void close_sockets(void) {
  if (client.source.fd >= 0) loop_close(&client.source);
  if (client.sender >= 0) close(client.sender);
  client.sender = -1;
}

static bool open_sockets(void) {
  if (client.source.fd >= 0) return true;
  client.sender = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
  struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(CLIENT_PORT)};
  struct sockaddr_ll packets = {
      .sll_family = AF_PACKET, .sll_protocol = htons(ETHERTYPE_IP), .sll_ifindex = client.interface};
  if (setsockopt(client.sender, SOL_SOCKET, SO_BINDTODEVICE, client.name, (socklen_t)strlen(client.name)) == 0 &&
      setsockopt(client.sender, SOL_SOCKET, SO_BROADCAST, &on, sizeof on) == 0 &&
      setsockopt(client.sender, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
      bind(client.sender, (struct sockaddr *)&own, sizeof own) == 0 &&
      bind(fd, (struct sockaddr *)&packets, sizeof packets) == 0 && loop_add(&client.source, fd, EPOLLIN, ready)) {
    return true;
  }
  if (client.retry_millis == FIRST_RETRY_MILLIS) log_line("DHCP on %s: %m", client.name);
  if (fd >= 0) close(fd);
  close_sockets();
  return false;
}

static void send_question(void) {
  // A program of the container may have had the port until now.
  if (!open_sockets()) return;
  struct dhcp_question question = {.type = DHCP_REQUEST, .transaction = client.transaction};
  struct sockaddr_in server = {
      .sin_family = AF_INET, .sin_port = htons(SERVER_PORT), .sin_addr.s_addr = htonl(INADDR_BROADCAST)};
  memcpy(question.mac, client.mac, sizeof question.mac);
  switch (client.state) {
    case SELECTING: question.type = DHCP_DISCOVER; break;
    case REQUESTING:
      question.requested = client.lease.address;
      question.server = client.lease.server;
      break;
    case RENEWING: server.sin_addr = client.lease.server;  // fall through
    case REBINDING: question.own = client.lease.address; break;
    case BOUND:
    case REFUSED: return;
  }
  uint8_t packet[DHCP_LARGEST];
  size_t length = dhcp_write(&question, packet);
  if (sendto(client.sender, packet, length, 0, (struct sockaddr *)&server, sizeof server) < 0 &&
      client.retry_millis == FIRST_RETRY_MILLIS) {
    log_line("DHCP on %s: %m", client.name);
  }
}

static void retry(struct timer *timer) {
  // An offer that is not confirmed in time is given up for another.
  bool is_late = client.state == REQUESTING && client.retry_millis > 4 * FIRST_RETRY_MILLIS;
  if (is_late || client.state == REFUSED) return begin(SELECTING);
  send_question();
  client.retry_millis = client.retry_millis * 2 < LAST_RETRY_MILLIS ? client.retry_millis * 2 : LAST_RETRY_MILLIS;
  timer_start(timer, client.retry_millis, retry);
}

static void lease_ended(struct timer *timer) {
  (void)timer;
  log_line("DHCP on %s: the lease ended", client.name);
  client.changed(NULL);
  begin(SELECTING);
}

static void rebind(struct timer *timer) {
  uint32_t lease = client.lease.lease_seconds;
  begin(REBINDING);
  timer_start(timer, (uint64_t)(lease - client.lease.rebinding_seconds) * 1000, lease_ended);
}

static void renew(struct timer *timer) {
  uint32_t until = client.lease.rebinding_seconds - client.lease.renewal_seconds;
  begin(RENEWING);
  timer_start(timer, (uint64_t)until * 1000, rebind);
}

static void bound(const struct dhcp_answer *answer) {
  struct dhcp_answer lease = *answer;
  uint32_t seconds = lease.lease_seconds;
  if (seconds < SHORTEST_LEASE_SECONDS) seconds = SHORTEST_LEASE_SECONDS;
  if (seconds > LONGEST_LEASE_SECONDS) seconds = LONGEST_LEASE_SECONDS;
  if (lease.renewal_seconds == 0 || lease.renewal_seconds >= seconds) lease.renewal_seconds = seconds / 2;
  if (lease.rebinding_seconds <= lease.renewal_seconds || lease.rebinding_seconds >= seconds) {
    lease.rebinding_seconds = lease.renewal_seconds + (seconds - lease.renewal_seconds) * 3 / 4;
  }
  lease.lease_seconds = seconds;
  client.lease = lease;
  client.state = BOUND;
  timer_stop(&client.retry);
  close_sockets();
  timer_start(&client.next, (uint64_t)lease.renewal_seconds * 1000, renew);
  client.changed(&client.lease);
}

// The server's refusal. One that goes on refusing what it offers is not asked as fast as it answers.
static void refused(void) {
  timer_stop(&client.next);
  if (client.state != REQUESTING) client.changed(NULL);
  client.state = REFUSED;
  timer_start(&client.retry, FIRST_RETRY_MILLIS, retry);
}

static void take(const struct dhcp_answer *answer) {
  // Until everybody is asked, one server alone decides about a lease.
  bool is_chosen = answer->server.s_addr == client.lease.server.s_addr;
  switch (client.state) {
    case SELECTING:
      if (answer->type != DHCP_OFFER) return;
      client.lease = *answer;
      return begin(REQUESTING);
    case REQUESTING:
    case RENEWING:
      if (!is_chosen) return;  // fall through
    case REBINDING:
      if (answer->type == DHCP_ACK) return bound(answer);
      if (answer->type == DHCP_NAK) refused();
      return;
    case BOUND:
    case REFUSED: return;
  }
}

static void ready(struct source *source, uint32_t events) {
  (void)events;
  uint8_t packet[DHCP_LARGEST];
  struct dhcp_answer answer;
  ssize_t got = recv(source->fd, packet, sizeof packet, 0);
  ssize_t header = 4 * (packet[0] & 15) + UDP_HEADER;
  if (got <= header || packet[UDP_PROTOCOL_AT] != IPPROTO_UDP) return;
  // The number and the address in it say whose answer it is, whatever its port.
  if (dhcp_read(packet + header, (size_t)(got - header), client.transaction, client.mac, &answer)) take(&answer);
}

static void begin(enum state state) {
  client.state = state;
  client.retry_millis = FIRST_RETRY_MILLIS;
  // A request answers its offer, so both have one number.
  if (state != REQUESTING && getrandom(&client.transaction, sizeof client.transaction, GRND_NONBLOCK) < 0) {
    client.transaction++;
  }
  send_question();
  timer_start(&client.retry, client.retry_millis, retry);
}

void dhcp_start(int interface, const char *name, const uint8_t mac[6],
                void (*changed)(const struct dhcp_answer *lease)) {
  memcpy(client.name, name, strnlen(name, sizeof client.name - 1) + 1);
  memcpy(client.mac, mac, sizeof client.mac);
  memcpy(&client.transaction, mac + 2, sizeof client.transaction);
  client.transaction ^= (uint32_t)interface;
  client.changed = changed;
  client.interface = interface;
  client.source.fd = client.sender = -1;
  begin(SELECTING);
}
