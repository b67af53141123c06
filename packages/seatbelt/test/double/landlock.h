#pragma once

#include <stdint.h>

#include "policy.h"

/* Of linux/landlock.h, whose older versions lack some. */
#define RIGHT_EXECUTE (UINT64_C(1) << 0)
#define RIGHT_WRITE_FILE (UINT64_C(1) << 1)
#define RIGHT_READ_FILE (UINT64_C(1) << 2)
#define RIGHT_READ_DIR (UINT64_C(1) << 3)
#define RIGHT_TRUNCATE (UINT64_C(1) << 14)
#define RIGHT_IOCTL (UINT64_C(1) << 15)
#define RIGHTS_ALL ((UINT64_C(1) << 16) - 1)
#define RIGHTS_READ (RIGHT_READ_FILE | RIGHT_READ_DIR)
#define RIGHTS_OF_FILES (RIGHT_EXECUTE | RIGHT_WRITE_FILE | RIGHT_READ_FILE | RIGHT_TRUNCATE | RIGHT_IOCTL)
#define RIGHTS_WRITE (RIGHTS_ALL & ~(RIGHTS_READ | RIGHT_EXECUTE | RIGHT_IOCTL))

/* Each ends the process if the system refuses. */
void restrict_with_landlock(const struct policy *policy);
void restrict_sockets(const struct policy *policy);
void mount_denied_paths(const struct policy *policy);
