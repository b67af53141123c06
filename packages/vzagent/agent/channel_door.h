// Where calls over TCP come in. Nobody gets further, and not a byte of the protocol is read, before both sides have
// shown that they know the token.
#ifndef VZAGENT_CHANNEL_DOOR_H
#define VZAGENT_CHANNEL_DOOR_H

#include "channel_proof.h"

// Takes the token over and clears it at the caller's. It is not in the memory of processes that the agent makes.
// False with errno.
bool channel_door_open(uint8_t token[CHANNEL_TOKEN]);

// Takes over an accepted descriptor: it becomes a connection, or is closed. So many may be on their way at once, each
// for so long; one more takes the place of the oldest.
void channel_door_knock(int fd);

enum { CHANNEL_AT_ONCE = 64, CHANNEL_MILLIS = 10000 };

#endif
