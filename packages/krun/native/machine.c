#include "machine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "console_pump.h"
#include "jail.h"

/* Where the guest's first program of ours lies in the folder that is its root. */
#define OWN_INIT "/init.krun"
#define INIT_OF_LIBKRUNS_INIT "/krun-init"

/* What libkrun answers, as ours: negative numbers are errors. */
static bool done(int32_t result, const char *what, struct failure *failure) {
  return result >= 0 || fail(failure, "libkrun refuses %s: %s", what, strerror(-result));
}

static bool needs(const void *function, const char *what, struct failure *failure) {
  return function != NULL || fail(failure, "this libkrun cannot have %s", what);
}

static bool set_root(const struct krun_api *api, uint32_t ctx, const struct configuration *machine,
                     struct failure *failure) {
  bool own_init = api->krun_disable_implicit_init != NULL;
  if (own_init && !done(api->krun_disable_implicit_init(ctx), "to go without its init", failure)) return false;
  int32_t result = api->krun_add_virtiofs3 == NULL
                       ? api->krun_set_root(ctx, machine->root)
                       : api->krun_add_virtiofs3(ctx, KRUN_ROOT_TAG, machine->root, 0, true);
  if (!done(result, machine->root, failure)) return false;
  if (own_init) return done(api->krun_set_env(ctx, machine->environment), "its command line", failure);
  const char *const arguments[] = {NULL};
  return done(api->krun_set_exec(ctx, INIT_OF_LIBKRUNS_INIT, arguments, machine->environment), "its first program", failure);
}

static bool set_boot(const struct krun_api *api, uint32_t ctx, const struct configuration *machine,
                     struct failure *failure) {
  if (machine->kernel == NULL) return set_root(api, ctx, machine, failure);
  int32_t result =
      api->krun_set_kernel(ctx, machine->kernel, machine->kernel_format, machine->initramfs, machine->command_line);
  return done(result, machine->kernel, failure);
}

static bool add_disk(const struct krun_api *api, uint32_t ctx, const struct disk *disk, struct failure *failure) {
  if (api->krun_add_disk3 != NULL) {
    uint32_t mode = disk->flushes ? KRUN_SYNC_FULL : KRUN_SYNC_NONE;
    return done(api->krun_add_disk3(ctx, disk->id, disk->path, KRUN_DISK_FORMAT_RAW, disk->read_only, disk->direct, mode),
                disk->path, failure);
  }
  /* The older function has the host's cache, and flushes. */
  return needs((const void *)(uintptr_t)api->krun_add_disk, "disks", failure) &&
         done(api->krun_add_disk(ctx, disk->id, disk->path, disk->read_only), disk->path, failure);
}

static bool add_share(const struct krun_api *api, uint32_t ctx, const struct share *share, struct failure *failure) {
  if (api->krun_add_virtiofs3 != NULL) {
    return done(api->krun_add_virtiofs3(ctx, share->tag, share->path, 0, share->read_only), share->path, failure);
  }
  /* One that is read-only is that by the jail. */
  return done(api->krun_add_virtiofs(ctx, share->tag, share->path), share->path, failure);
}

static bool add_devices(const struct krun_api *api, uint32_t ctx, const struct configuration *machine,
                        struct failure *failure) {
  for (size_t i = 0; i < machine->disk_count; i++) {
    if (!add_disk(api, ctx, &machine->disks[i], failure)) return false;
  }
  for (size_t i = 0; i < machine->share_count; i++) {
    if (!add_share(api, ctx, &machine->shares[i], failure)) return false;
  }
  /* Never libkrun's own vsock, with which the guest would share the host's network. */
  if (!done(api->krun_disable_implicit_vsock(ctx), "to go without its vsock", failure) ||
      !done(api->krun_add_vsock(ctx, 0), "a vsock", failure)) {
    return false;
  }
  for (size_t i = 0; i < machine->port_count; i++) {
    const struct port *port = &machine->ports[i];
    if (!done(api->krun_add_vsock_port2(ctx, port->number, port->path, port->guest_listens), port->path, failure)) return false;
  }
  if (machine->network < 0) return true;
  uint8_t mac[6];
  memcpy(mac, machine->mac, sizeof mac);
  return needs((const void *)(uintptr_t)api->krun_add_net_unixstream, "a network", failure) &&
         done(api->krun_add_net_unixstream(ctx, NULL, machine->network, mac, KRUN_NET_FEATURES, 0), "its network", failure);
}

static bool enter_jail(const struct configuration *machine, struct failure *failure) {
  const struct jail jail = {machine->read_only, machine->read_only_count, machine->read_write, machine->read_write_count,
                            false};
  return jail_enter(&jail, failure);
}

void machine_become(const struct krun_api *api, const struct configuration *machine, struct failure *failure) {
  char console[64];
  api->krun_set_log_level(KRUN_LOG_LEVEL_WARN);
  int32_t made = api->krun_create_ctx();
  if (!done(made, "a machine", failure)) return;
  uint32_t ctx = (uint32_t)made;
  bool configured = done(api->krun_set_vm_config(ctx, machine->cpus, machine->memory_mib), "its size", failure) &&
                    set_boot(api, ctx, machine, failure) && add_devices(api, ctx, machine, failure) &&
                    /* Landlock confines this thread and its children: none starts before. */
                    enter_jail(machine, failure) &&
                    console_pump_start(machine->console, console, sizeof console, failure) &&
                    done(api->krun_set_console_output(ctx, console), "its console", failure);
  if (configured) done(api->krun_start_enter(ctx), "to start the machine", failure);
  if (failure->message[0] == '\0') fail(failure, "libkrun did not start the machine, and gave no reason");
  api->krun_free_ctx(ctx);
}
