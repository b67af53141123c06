#include "channel_proof.h"

#include "sha256.h"

#include <string.h>

enum { HOST = 1, GUEST = 2, NAME = 16, ASKED = CHANNEL_NONCE + 4 };

static void prove(const uint8_t *token, uint8_t side, const uint8_t *guest_nonce, const uint8_t *call, uint8_t status,
                  uint8_t *proof) {
  uint8_t text[NAME + 1 + CHANNEL_NONCE + ASKED + 1];
  memcpy(text, "zlayer channel 1", NAME);
  text[NAME] = side;
  memcpy(text + NAME + 1, guest_nonce, CHANNEL_NONCE);
  memcpy(text + NAME + 1 + CHANNEL_NONCE, call, ASKED);
  text[sizeof text - 1] = status;
  hmac_sha256(token, CHANNEL_TOKEN, text, sizeof text, proof);
}

bool channel_call_check(const uint8_t *token, const uint8_t *guest_nonce, const uint8_t *call, uint32_t *port) {
  uint8_t right[SHA256_SIZE], different = 0;
  prove(token, HOST, guest_nonce, call, 0, right);
  for (int i = 0; i < SHA256_SIZE; i++) different |= right[i] ^ call[ASKED + i];
  const uint8_t *number = call + CHANNEL_NONCE;
  *port = number[0] | (uint32_t)number[1] << 8 | (uint32_t)number[2] << 16 | (uint32_t)number[3] << 24;
  return different == 0;
}

void channel_answer(const uint8_t *token, const uint8_t *guest_nonce, const uint8_t *call, enum channel_status status,
                    uint8_t *answer) {
  answer[0] = (uint8_t)status;
  prove(token, GUEST, guest_nonce, call, answer[0], answer + 1);
}
