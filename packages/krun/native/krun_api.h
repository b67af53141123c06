/*
 * The functions of libkrun that this program calls, as its header declares them; a test compares them with what is known
 * of it. F(need, result, name, parameters): a library without a required one is too old.
 */
#ifndef KRUN_API_H
#define KRUN_API_H

#include <stdbool.h>
#include <stdint.h>

#define KRUN_FUNCTIONS(F)                                                                                         \
  F(required, int32_t, krun_set_log_level, (uint32_t level))                                                      \
  F(required, int32_t, krun_create_ctx, (void))                                                                   \
  F(required, int32_t, krun_free_ctx, (uint32_t ctx_id))                                                          \
  F(required, int32_t, krun_has_feature, (uint64_t feature))                                                      \
  F(required, int32_t, krun_set_vm_config, (uint32_t ctx_id, uint8_t num_vcpus, uint32_t ram_mib))                \
  F(required, int32_t, krun_set_root, (uint32_t ctx_id, const char *root_path))                                   \
  F(required, int32_t, krun_set_exec,                                                                             \
    (uint32_t ctx_id, const char *exec_path, const char *const argv[], const char *const envp[]))                 \
  F(required, int32_t, krun_set_env, (uint32_t ctx_id, const char *const envp[]))                                 \
  F(required, int32_t, krun_set_kernel,                                                                           \
    (uint32_t ctx_id, const char *kernel_path, uint32_t kernel_format, const char *initramfs,                     \
     const char *cmdline))                                                                                        \
  F(required, int32_t, krun_add_virtiofs, (uint32_t ctx_id, const char *c_tag, const char *c_path))               \
  F(required, int32_t, krun_disable_implicit_vsock, (uint32_t ctx_id))                                            \
  F(required, int32_t, krun_add_vsock, (uint32_t ctx_id, uint32_t tsi_features))                                  \
  F(required, int32_t, krun_add_vsock_port2, (uint32_t ctx_id, uint32_t port, const char *c_filepath, bool listen)) \
  F(required, int32_t, krun_set_console_output, (uint32_t ctx_id, const char *c_filepath))                        \
  F(required, int32_t, krun_start_enter, (uint32_t ctx_id))                                                       \
  F(optional, int32_t, krun_add_disk,                                                                             \
    (uint32_t ctx_id, const char *block_id, const char *disk_path, bool read_only))                               \
  F(optional, int32_t, krun_add_disk3,                                                                            \
    (uint32_t ctx_id, const char *block_id, const char *disk_path, uint32_t disk_format, bool read_only,          \
     bool direct_io, uint32_t sync_mode))                                                                         \
  F(optional, int32_t, krun_add_virtiofs3,                                                                        \
    (uint32_t ctx_id, const char *c_tag, const char *c_path, uint64_t shm_size, bool read_only))                  \
  F(optional, int32_t, krun_add_net_unixstream,                                                                   \
    (uint32_t ctx_id, const char *c_path, int fd, uint8_t *const c_mac, uint32_t features, uint32_t flags))       \
  F(optional, int32_t, krun_disable_implicit_init, (uint32_t ctx_id))                                             \
  F(optional, int32_t, krun_get_max_vcpus, (void))

#define KRUN_FIELD(need, result, name, parameters) result(*name) parameters;
struct krun_api {
  KRUN_FUNCTIONS(KRUN_FIELD)
};
#undef KRUN_FIELD

enum {
  KRUN_FEATURE_NET = 0,
  KRUN_FEATURE_BLK = 1,
  KRUN_FEATURE_GPU = 2,
  KRUN_LOG_LEVEL_WARN = 2,
  KRUN_DISK_FORMAT_RAW = 0,
  KRUN_SYNC_NONE = 0,
  KRUN_SYNC_FULL = 2,
  /* CSUM, GUEST_CSUM, GUEST_TSO4, GUEST_UFO, HOST_TSO4 and HOST_UFO: what passt understands. */
  KRUN_NET_FEATURES = 1 << 0 | 1 << 1 | 1 << 7 | 1 << 10 | 1 << 11 | 1 << 14,
};
#define KRUN_ROOT_TAG "/dev/root"

#endif
