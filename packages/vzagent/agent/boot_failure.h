// Tells the host, at the vsock port that waits for the agent's readiness, why there will be none.
#ifndef VZAGENT_BOOT_FAILURE_H
#define VZAGENT_BOOT_FAILURE_H

#include <stdint.h>

// From here on, the reason of a guest that powers off goes to the host's `port`: the letter e and the text.
void boot_failure_tell(uint32_t port);

#endif
