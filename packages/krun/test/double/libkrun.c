/*
 * libkrun over QEMU: the functions that krun-host calls, with libkrun's manners. Unknown machines are -ENOENT, what is said
 * twice is refused, more processors than the host has hang for ever, and the process is left with exit() when the
 * machine ends. Its virtio-fs does not confine the guest, its disks have no serials of their own.
 *
 *   KRUN_DOUBLE_ARCHITECTURE  of the guests: arm64 (the default) or amd64
 *   KRUN_DOUBLE_FIRMWARE      a folder with `kernel` and `initramfs`, in the place of libkrunfw
 *   KRUN_DOUBLE_OUTSIDE       if set, guests have the whole host as the share `outside`, as far as this process has
 *
 * Compiled with KRUN_DOUBLE_VERSION 16 to 19 it is as old as that, with KRUN_DOUBLE_CRASHES it crashes when it is loaded,
 * and with KRUN_DOUBLE_NET or KRUN_DOUBLE_BLK 0 it was built without network devices or disks.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "emulator.h"
#include "firmware.h"
#include "krun_api.h"

#ifndef KRUN_DOUBLE_VERSION
#define KRUN_DOUBLE_VERSION 19
#endif

#ifndef KRUN_DOUBLE_NET
#define KRUN_DOUBLE_NET 1
#endif
#ifndef KRUN_DOUBLE_BLK
#define KRUN_DOUBLE_BLK 1
#endif

#define PUBLIC __attribute__((visibility("default")))
/* The same declarations that the caller has. */
#define DECLARE(need, result, name, parameters) PUBLIC result name parameters;
KRUN_FUNCTIONS(DECLARE)

#ifdef KRUN_DOUBLE_CRASHES
__attribute__((constructor)) static void crash(void) { abort(); }
#endif

static struct machine machine;
static bool is_there;

static struct machine *find(uint32_t ctx_id) { return is_there && ctx_id == 0 ? &machine : NULL; }

#define FIND(name) \
  struct machine *name = find(ctx_id); \
  if (name == NULL) return -ENOENT

PUBLIC int32_t krun_set_log_level(uint32_t level) { return level > 5 ? -EINVAL : 0; }

PUBLIC int32_t krun_create_ctx(void) {
  if (is_there) return -ENOMEM;
  machine = (struct machine){.network = -1, .cpus = 1, .memory_mib = 512};
  firmware_load(&machine);
  is_there = true;
  return 0;
}

PUBLIC int32_t krun_free_ctx(uint32_t ctx_id) {
  FIND(freed);
  (void)freed;
  is_there = false;
  return 0;
}

#if KRUN_DOUBLE_VERSION >= 17
PUBLIC int32_t krun_has_feature(uint64_t feature) {
  if (feature > 11) return -EINVAL;
  return (feature == KRUN_FEATURE_NET && KRUN_DOUBLE_NET) || (feature == KRUN_FEATURE_BLK && KRUN_DOUBLE_BLK);
}

PUBLIC int32_t krun_disable_implicit_vsock(uint32_t ctx_id) {
  FIND(made);
  made->has_no_implicit_vsock = true;
  return 0;
}

PUBLIC int32_t krun_add_vsock(uint32_t ctx_id, uint32_t tsi_features) {
  FIND(made);
  if (!made->has_no_implicit_vsock || made->has_vsock) return -EEXIST;
  /* There is no kernel here that knows of it. */
  if (tsi_features != 0) return -EINVAL;
  made->has_vsock = true;
  return 0;
}
#endif

PUBLIC int32_t krun_set_vm_config(uint32_t ctx_id, uint8_t num_vcpus, uint32_t ram_mib) {
  FIND(made);
  if (num_vcpus == 0 || ram_mib == 0) return -EINVAL;
  made->cpus = num_vcpus;
  made->memory_mib = ram_mib;
  return 0;
}

static int32_t share(struct machine *made, const char *tag, const char *path) {
  struct stat info;
  if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode)) return -EINVAL;
  if (made->share_count == MAX_SHARES) return -ENOMEM;
  for (size_t i = 0; i < made->share_count; i++) {
    if (strcmp(made->shares[i].tag, tag) == 0) return -EINVAL;
  }
  made->shares[made->share_count++] = (struct emulated_share){strdup(tag), strdup(path)};
  return 0;
}

PUBLIC int32_t krun_set_root(uint32_t ctx_id, const char *root_path) {
  FIND(made);
  return share(made, KRUN_ROOT_TAG, root_path);
}

PUBLIC int32_t krun_add_virtiofs(uint32_t ctx_id, const char *c_tag, const char *c_path) {
  FIND(made);
  return share(made, c_tag, c_path);
}

#if KRUN_DOUBLE_VERSION >= 18
PUBLIC int32_t krun_add_virtiofs3(uint32_t ctx_id, const char *c_tag, const char *c_path, uint64_t shm_size,
                                  bool read_only) {
  (void)shm_size;
  (void)read_only; /* the guest's kernel decides, as far as this process lets it */
  FIND(made);
  return share(made, c_tag, c_path);
}
#endif

#if KRUN_DOUBLE_VERSION >= 19
PUBLIC int32_t krun_disable_implicit_init(uint32_t ctx_id) {
  FIND(made);
  if (made->share_count > 0) return -EINVAL;
  made->has_own_init = true;
  return 0;
}
#endif

static void take_words(struct machine *made, const char *const words[]) {
  made->words[0] = '\0';
  for (size_t i = 0; words[i] != NULL; i++) {
    size_t length = strlen(made->words);
    snprintf(made->words + length, sizeof made->words - length, " \"%s\"", words[i]);
  }
}

PUBLIC int32_t krun_set_env(uint32_t ctx_id, const char *const envp[]) {
  FIND(made);
  take_words(made, envp);
  return 0;
}

PUBLIC int32_t krun_set_exec(uint32_t ctx_id, const char *exec_path, const char *const argv[],
                             const char *const envp[]) {
  (void)argv;
  FIND(made);
  made->program = strdup(exec_path);
  take_words(made, envp);
  return 0;
}

PUBLIC int32_t krun_set_kernel(uint32_t ctx_id, const char *kernel_path, uint32_t kernel_format, const char *initramfs,
                               const char *cmdline) {
  FIND(made);
  if (kernel_format > 5 || (initramfs != NULL && access(initramfs, R_OK) != 0)) return -EINVAL;
  made->kernel = strdup(kernel_path);
  made->initramfs = initramfs == NULL ? NULL : strdup(initramfs);
  made->command_line = strdup(cmdline == NULL ? "" : cmdline);
  return 0;
}

static int32_t add_disk(struct machine *made, const char *path, bool read_only, bool direct, bool flushes) {
  if (made->disk_count == MAX_DISKS) return -ENOMEM;
  made->disks[made->disk_count++] = (struct emulated_disk){strdup(path), read_only, direct, flushes};
  return 0;
}

PUBLIC int32_t krun_add_disk(uint32_t ctx_id, const char *block_id, const char *disk_path, bool read_only) {
  (void)block_id; /* it is no more than a name for the library */
  FIND(made);
  return add_disk(made, disk_path, read_only, false, true);
}

#if KRUN_DOUBLE_VERSION >= 18
PUBLIC int32_t krun_add_disk3(uint32_t ctx_id, const char *block_id, const char *disk_path, uint32_t disk_format,
                              bool read_only, bool direct_io, uint32_t sync_mode) {
  (void)block_id;
  FIND(made);
  if (disk_format != KRUN_DISK_FORMAT_RAW || sync_mode > KRUN_SYNC_FULL) return -EINVAL;
  return add_disk(made, disk_path, read_only, direct_io, sync_mode != KRUN_SYNC_NONE);
}
#endif

PUBLIC int32_t krun_add_vsock_port2(uint32_t ctx_id, uint32_t port, const char *c_filepath, bool listen) {
  FIND(made);
  if (made->port_count == MAX_EMULATED_PORTS) return -ENOMEM;
  made->ports[made->port_count++] = (struct emulated_port){port, strdup(c_filepath), listen};
  return 0;
}

PUBLIC int32_t krun_add_net_unixstream(uint32_t ctx_id, const char *c_path, int fd, uint8_t *const c_mac,
                                       uint32_t features, uint32_t flags) {
  (void)features;
  FIND(made);
  if (c_path != NULL || fd < 0 || flags != 0 || made->network >= 0) return -EINVAL;
  made->network = fd;
  memcpy(made->mac, c_mac, sizeof made->mac);
  return 0;
}

PUBLIC int32_t krun_set_console_output(uint32_t ctx_id, const char *c_filepath) {
  FIND(made);
  if (made->console != NULL) return -EINVAL;
  made->console = strdup(c_filepath);
  return 0;
}

PUBLIC int32_t krun_get_max_vcpus(void) { return 255; }

PUBLIC int32_t krun_start_enter(uint32_t ctx_id) {
  FIND(started);
  if (started->cpus > sysconf(_SC_NPROCESSORS_ONLN)) {
    for (;;) pause();
  }
  return emulate(started);
}
