#include "names.h"

#include "bytes.h"
#include "ip_address.h"
#include "log.h"
#include "spec.h"
#include "text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

// Docker's name for the address at which the host is reached.
#define HOST_GATEWAY "host-gateway"

enum { LONGEST_NAME = 255, LARGEST_FILE = 256 * 1024 };

static struct network_names network;

// What the container wishes, in lines and words of the files that it ends up in.
static struct {
  struct bytes servers;        // lines of resolv.conf
  struct bytes search;         // words, each with a space before it
  struct bytes options;        // the same
  struct bytes hosts;          // lines of hosts
  struct bytes gateway_names;  // words
} wishes;

static char own_name[HOST_NAME_MAX + 1] = "localhost";

static char overlay_server[INET6_ADDRSTRLEN], overlay_domain[LONGEST_NAME + 1];

static bool is_word(struct slice text) {
  if (text.length == 0 || text.length > LONGEST_NAME) return false;
  for (size_t i = 0; i < text.length; i++) {
    if (text.data[i] <= ' ' || text.data[i] == 0x7f || text.data[i] == '#') return false;
  }
  return true;
}

static bool is_address(struct slice text) {
  char address[INET6_ADDRSTRLEN];
  uint8_t parsed[sizeof(struct in6_addr)];
  if (text.length == 0 || text.length >= sizeof address) return false;
  memcpy(address, text.data, text.length);
  address[text.length] = '\0';
  return inet_pton(AF_INET, address, parsed) == 1 || inet_pton(AF_INET6, address, parsed) == 1;
}

static bool is_host_gateway(struct slice text) {
  return text.length == sizeof HOST_GATEWAY - 1 && memcmp(text.data, HOST_GATEWAY, text.length) == 0;
}

static const struct fault *check_list(struct list list, bool (*is_fine)(struct slice), const char *what) {
  struct reader in = list_reader(list);
  struct slice text;
  while (string_next(&in, &text)) {
    if (is_fine(text)) continue;
    return fault(FAILURE_KIND_INVALID, "%s: \"%.*s\" is not possible", what, text.length > 255 ? 255 : (int)text.length,
                 (const char *)text.data);
  }
  return NULL;
}

const struct fault *names_check(const struct names *names) {
  if (names->hostname.present && (!is_word(names->hostname.value) || names->hostname.value.length > HOST_NAME_MAX)) {
    return fault(FAILURE_KIND_INVALID, "a host name is one word of at most %d bytes", HOST_NAME_MAX);
  }
  const struct fault *failed = check_list(names->dns_servers, is_address, "the address of a DNS server");
  if (failed == NULL) failed = check_list(names->dns_search, is_word, "a search domain");
  if (failed == NULL) failed = check_list(names->dns_options, is_word, "a resolver option");
  struct reader in = list_reader(names->hosts);
  struct host_entry host;
  while (failed == NULL && host_entry_next(&in, &host)) {
    if (is_word(host.name) && (is_address(host.address) || is_host_gateway(host.address))) continue;
    failed = fault(FAILURE_KIND_INVALID, "an extra host needs a name that is one word and an IP address");
  }
  return failed;
}

__attribute__((format(printf, 2, 3))) static bool add(struct bytes *text, const char *format, ...) {
  char line[1024];
  va_list values;
  va_start(values, format);
  int length = text_format_list(line, sizeof line, format, values);
  va_end(values);
  return length >= 0 && (size_t)length < sizeof line && bytes_append(text, line, (size_t)length);
}

static bool add_all(struct bytes *text, const char *before, struct list list, const char *after) {
  struct reader in = list_reader(list);
  for (struct slice word; string_next(&in, &word);) {
    if (!add(text, "%s%.*s%s", before, (int)word.length, (const char *)word.data, after)) return false;
  }
  return true;
}

static bool add_hosts(const struct names *names) {
  struct reader in = list_reader(names->hosts);
  for (struct host_entry host; host_entry_next(&in, &host);) {
    const char *name = (const char *)host.name.data, *address = (const char *)host.address.data;
    bool added = is_host_gateway(host.address)
                     ? add(&wishes.gateway_names, " %.*s", (int)host.name.length, name)
                     : add(&wishes.hosts, "%.*s\t%.*s\n", (int)host.address.length, address, (int)host.name.length,
                           name);
    if (!added) return false;
  }
  return true;
}

static bool add_bytes(struct bytes *text, const struct bytes *more) {
  return bytes_append(text, bytes_head(more), bytes_length(more));
}

static bool make_resolv_conf(struct bytes *text) {
  char address[INET_ADDRSTRLEN];
  bool made = overlay_server[0] == '\0' || add(text, "nameserver %s\n", overlay_server);
  if (bytes_length(&wishes.servers) > 0) {
    made = made && add_bytes(text, &wishes.servers);
  } else {
    for (size_t i = 0; made && i < network.dns_server_count; i++) {
      made = add(text, "nameserver %s\n", ipv4_text(network.dns_servers[i], address));
    }
  }
  bool has_wish = bytes_length(&wishes.search) > 0;
  const char *domain = has_wish ? "" : network.domain;
  if (overlay_domain[0] != '\0' || has_wish || domain[0] != '\0') {
    made = made && add(text, "search%s%s", overlay_domain[0] == '\0' ? "" : " ", overlay_domain) &&
           add_bytes(text, &wishes.search) && add(text, "%s%s\n", domain[0] == '\0' ? "" : " ", domain);
  }
  if (bytes_length(&wishes.options) == 0) return made;
  return made && add(text, "options") && add_bytes(text, &wishes.options) && add(text, "\n");
}

static bool make_hosts(struct bytes *text) {
  char address[INET_ADDRSTRLEN];
  bool made = add(text,
                  "127.0.0.1\tlocalhost\n"
                  "::1\tlocalhost ip6-localhost ip6-loopback\n"
                  "fe00::\tip6-localnet\n"
                  "ff00::\tip6-mcastprefix\n"
                  "ff02::1\tip6-allnodes\n"
                  "ff02::2\tip6-allrouters\n");
  if (network.gateway.s_addr != 0) {
    made = made && add(text, "%s\thost.zlayer.internal host.docker.internal", ipv4_text(network.gateway, address)) &&
           add_bytes(text, &wishes.gateway_names) && add(text, "\n");
  }
  made = made && add_bytes(text, &wishes.hosts);
  if (strcmp(own_name, "localhost") == 0) return made;
  const char *own = network.address.s_addr == 0 ? "127.0.1.1" : ipv4_text(network.address, address);
  return made && add(text, "%s\t%s\n", own, own_name);
}

static bool make_hostname(struct bytes *text) { return add(text, "%s\n", own_name); }

static struct name_file {
  const char *path;
  bool (*make)(struct bytes *);
  struct bytes written;
} files[] = {
    {.path = NAMES_FOLDER "/resolv.conf", .make = make_resolv_conf},
    {.path = NAMES_FOLDER "/hosts", .make = make_hosts},
    {.path = NAMES_FOLDER "/hostname", .make = make_hostname},
};

static bool is_same(const struct bytes *one, const struct bytes *other) {
  size_t length = bytes_length(one);
  return length == bytes_length(other) && (length == 0 || memcmp(bytes_head(one), bytes_head(other), length) == 0);
}

// In place, because a container has the file itself mounted.
static bool replace(const char *path, const struct bytes *text) {
  size_t length = bytes_length(text);
  if (length > LARGEST_FILE) {
    errno = EFBIG;
    return false;
  }
  int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  bool written = fd >= 0 && pwrite(fd, bytes_head(text), length, 0) == (ssize_t)length;
  written = written && ftruncate(fd, (off_t)length) == 0;
  int error = errno;
  if (fd >= 0) close(fd);
  errno = error;
  return written;
}

// A file that would be the same again keeps what the container may have written into it, unless the container is a new
// one.
static bool write_files(bool anew) {
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    struct bytes text = {0};
    bool written = files[i].make(&text);
    bool stays = written && !anew && is_same(&text, &files[i].written);
    if (written && !stays) written = replace(files[i].path, &text);
    if (!written) {
      bytes_free(&text);
      return false;
    }
    bytes_free(&files[i].written);
    files[i].written = text;
  }
  return true;
}

static void write_or_say(void) {
  if (!write_files(false)) log_line("resolv.conf, hosts and hostname: %m");
}

bool names_open(void) {
  return (mkdir("/run", 0755) == 0 || errno == EEXIST) &&
         mount("run", "/run", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=4m") == 0 &&
         mkdir(NAMES_FOLDER, 0755) == 0 && write_files(true);
}

const struct fault *names_take(const struct names *names, const char *hostname) {
  struct bytes *texts[] = {&wishes.servers, &wishes.search, &wishes.options, &wishes.hosts, &wishes.gateway_names};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) bytes_free(texts[i]);
  text_format(own_name, sizeof own_name, "%s", hostname);
  if (add_all(&wishes.servers, "nameserver ", names->dns_servers, "\n") &&
      add_all(&wishes.search, " ", names->dns_search, "") && add_all(&wishes.options, " ", names->dns_options, "") &&
      add_hosts(names) && write_files(true)) {
    return NULL;
  }
  return fault(FAILURE_KIND_EXHAUSTED, "the container's resolv.conf, hosts and hostname are too large");
}

void names_set_network(const struct network_names *found) {
  network = *found;
  write_or_say();
}

void names_set_overlay(const char *dns_server, const char *dns_domain) {
  text_format(overlay_server, sizeof overlay_server, "%s", dns_server);
  text_format(overlay_domain, sizeof overlay_domain, "%s", dns_domain);
  write_or_say();
}

const struct network_names *names_network(void) { return &network; }
