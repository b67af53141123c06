#include "overlay.h"

#include "modules.h"
#include "names.h"
#include "overlay_config.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

#define INTERFACE "zl-overlay0"

static const struct fault *failure(const char *what) {
  return fault_errno("the overlay: %s", what);
}

static bool create(void) {
  if (link_create(INTERFACE, "wireguard")) return true;
  if (errno != EOPNOTSUPP) return false;
  modules_load("/lib/modules/wireguard.load");
  return link_create(INTERFACE, "wireguard");
}

static const struct fault *add_peer(int interface, const struct wireguard_peer *peer) {
  if (!wireguard_add_peer(interface, peer)) return failure("cannot add a peer");
  for (size_t i = 0; i < peer->allowed_count; i++) {
    if (!route_add(interface, &peer->allowed[i], NULL)) return failure("cannot add a route");
  }
  return NULL;
}

static const struct fault *set_up(const struct overlay_config *config) {
  int interface = (int)if_nametoindex(INTERFACE);
  if (interface != 0 && !link_delete(interface)) return failure("cannot take the earlier one away");
  if (!create()) return failure("cannot make a WireGuard interface");
  interface = (int)if_nametoindex(INTERFACE);
  const struct fault *failed = NULL;
  if (!wireguard_set_device(interface, config->private_key, config->listen_port)) {
    failed = failure("cannot set its key and port");
  } else if (!address_add(interface, &config->address) || !link_set_up(interface)) {
    failed = failure("cannot set its address");
  }
  for (size_t i = 0; failed == NULL && i < config->peer_count; i++) failed = add_peer(interface, &config->peers[i]);
  if (failed == NULL) {
    names_set_overlay(config->dns_server, config->dns_domain);
  } else {
    link_delete(interface);
    names_set_overlay("", "");
  }
  return failed;
}

const struct fault *overlay_configure(const struct overlay_config_message *message) {
  struct overlay_config config;
  const struct fault *failed = overlay_config_parse(message, &config);
  if (failed == NULL) failed = set_up(&config);
  overlay_config_free(&config);
  struct slice key = message->private_key;
  if (key.length > 0) explicit_bzero((void *)(uintptr_t)key.data, key.length);
  return failed;
}
