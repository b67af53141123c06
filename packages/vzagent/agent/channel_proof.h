// How the two ends of a call over TCP show each other that they know the machine's token, without telling it:
//
//   guest → host  nonce                                       32 bytes, never the same twice
//   host → guest  nonce, port, proof over both nonces and it  32 + 4 (little-endian) + 32 bytes
//   guest → host  status, proof over all that and it          1 + 32 bytes
//
// A proof is HMAC-SHA256 with the token over "zlayer channel 1", the side that makes it (1 the host, 2 the guest), the
// guest's nonce, the host's nonce, the port and the status (0 in the host's). What was recorded proves nothing to
// another nonce, and what one side has said is not what the other has to say.
#ifndef VZAGENT_CHANNEL_PROOF_H
#define VZAGENT_CHANNEL_PROOF_H

#include <stdbool.h>
#include <stdint.h>

enum { CHANNEL_TOKEN = 32, CHANNEL_NONCE = 32, CHANNEL_CALL = 68, CHANNEL_ANSWER = 33 };

enum channel_status { CHANNEL_TAKEN = 0, CHANNEL_NOTHING_LISTENS = 1 };

// Whether the call is from one who knows the token, and to which port. Takes the same time for any wrong proof.
bool channel_call_check(const uint8_t *token, const uint8_t *guest_nonce, const uint8_t *call, uint32_t *port);

// The answer to a call that was checked.
void channel_answer(const uint8_t *token, const uint8_t *guest_nonce, const uint8_t *call, enum channel_status status,
                    uint8_t *answer);

#endif
