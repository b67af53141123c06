/* Every bound of the host program. HOST-CONTRACT.md names them; keep the two in step. */
#ifndef ZLAYER_HOST_LIMITS_H
#define ZLAYER_HOST_LIMITS_H

enum {
  MAX_CONFIG_BYTES = 1024 * 1024,
  MAX_JSON_DEPTH = 32,
  MAX_JSON_MEMBERS = 64,
  MAX_HELPERS = 32,
  MAX_CONNECTIONS = 32,
  MAX_ARGUMENTS = 4096,
  MAX_ARGUMENT_BYTES = 65536,
  MAX_READ_ONLY_PATHS = 32,
  MAX_NAME_BYTES = 64,
  MAX_PATH_BYTES = 1023,
  /* sun_path is 104 bytes on macOS and 108 on Linux; the smaller holds everywhere. */
  MAX_SOCKET_PATH_BYTES = 103,
  MIN_PASSED_DESCRIPTOR = 3,
  MAX_PASSED_DESCRIPTOR = 127,
  MAX_DURATION_MS = 24 * 60 * 60 * 1000,

  MAX_CLIENTS = 128,
  MAX_CONTROL_LINE_BYTES = 4096,
  MAX_LOG_TAIL_BYTES = 2048,
  MAX_STATUS_BYTES = 65536,

  HELPER_GRACE_MS = 1000,
  /* How long main may outlive a helper that ended with success: a VMM that exits closes its helpers' sockets first. */
  MAIN_AFTER_HELPER_MS = 1000,
  KILLED_WAIT_MS = 5000,
  CONNECT_RETRY_MIN_MS = 1,
  CONNECT_RETRY_MAX_MS = 20,
};

#endif
