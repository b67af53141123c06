#include "capabilities.h"

#include <errno.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>

#define BIT(capability) (UINT64_C(1) << (capability))

// Docker's default set without CAP_MKNOD: Docker grants that one and takes its use away again with a device cgroup.
static const uint64_t kept = BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER) | BIT(CAP_FSETID) |
                             BIT(CAP_KILL) | BIT(CAP_SETGID) | BIT(CAP_SETUID) | BIT(CAP_SETPCAP) |
                             BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_NET_RAW) | BIT(CAP_SYS_CHROOT) |
                             BIT(CAP_AUDIT_WRITE) | BIT(CAP_SETFCAP);

static bool drop_from_bounding_set(void) {
  for (unsigned long capability = 0; capability < 64; capability++) {
    if ((kept & BIT(capability)) != 0) continue;
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0) continue;
    // The first number that the kernel does not know is the end.
    return errno == EINVAL && capability > CAP_SETFCAP;
  }
  return true;
}

bool capabilities_reduce(void) {
  if (!drop_from_bounding_set()) return false;
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) return false;
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  // Nothing is inheritable, as in Docker since 20.10.14: root gets its set from the bounding set at exec.
  struct __user_cap_data_struct sets[2] = {
      {.effective = (uint32_t)kept, .permitted = (uint32_t)kept},
      {.effective = (uint32_t)(kept >> 32), .permitted = (uint32_t)(kept >> 32)},
  };
  return syscall(SYS_capset, &header, sets) == 0;
}
