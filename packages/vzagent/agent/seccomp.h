// System calls that a workload may not make, whoever it is.
#ifndef VZAGENT_SECCOMP_H
#define VZAGENT_SECCOMP_H

#include <stdbool.h>

// Installs the filter for the calling process and all that come from it. Needs CAP_SYS_ADMIN. Errno says why it failed.
//
// Denied: sockets of AF_VSOCK (they would reach the agent's port and the host), io_uring (it makes sockets without the
// system call), new user namespaces (they hand out every capability again), and a processor's other ABIs as far as
// they would get around this.
bool seccomp_install(void);

#endif
