#include "capabilities.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>

#define BIT(capability) (UINT64_C(1) << (capability))

_Static_assert(CAPABILITIES_DEFAULT ==
                   (BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER) | BIT(CAP_FSETID) | BIT(CAP_KILL) |
                    BIT(CAP_SETGID) | BIT(CAP_SETUID) | BIT(CAP_SETPCAP) | BIT(CAP_NET_BIND_SERVICE) |
                    BIT(CAP_NET_RAW) | BIT(CAP_SYS_CHROOT) | BIT(CAP_AUDIT_WRITE) | BIT(CAP_SETFCAP)),
               "the default set is another one");

bool capabilities_can_mount(uint64_t capabilities) { return (capabilities & BIT(CAP_SYS_ADMIN)) != 0; }

bool capabilities_bound(uint64_t capabilities) {
  for (unsigned long capability = 0; capability < 64; capability++) {
    if ((capabilities & BIT(capability)) != 0) continue;
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0) continue;
    // The first number that the kernel does not know is the end.
    return errno == EINVAL && capability > CAP_SETFCAP;
  }
  return true;
}

static bool own(uint64_t *permitted) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct sets[2] = {{0}};
  if (syscall(SYS_capget, &header, sets) != 0) return false;
  *permitted = sets[0].permitted | (uint64_t)sets[1].permitted << 32;
  return true;
}

bool capabilities_apply(uint64_t capabilities) {
  uint64_t permitted;
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 || !own(&permitted)) return false;
  // The bits that this kernel does not know are nobody's, and root has become another user or not by now.
  permitted &= getuid() == 0 ? capabilities : 0;
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  // Nothing is inheritable, as in Docker since 20.10.14: root gets its set from the bounding set at exec.
  struct __user_cap_data_struct sets[2] = {
      {.effective = (uint32_t)permitted, .permitted = (uint32_t)permitted},
      {.effective = (uint32_t)(permitted >> 32), .permitted = (uint32_t)(permitted >> 32)},
  };
  return syscall(SYS_capset, &header, sets) == 0;
}
