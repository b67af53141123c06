// libFuzzer: the decoder. What it accepts can be encoded, and is decoded to the same.
#include "../frame.h"
#include "../message.h"

#include <stdlib.h>
#include <string.h>

static void check(bool holds) {
  if (!holds) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct message message, again;
  if (message_decode(data, size, &message) != NULL) return 0;
  struct bytes first = {0}, second = {0};
  size_t length = 0;
  check(message_encode(&first, &message) && frame_peek(&first, &length) == FRAME_COMPLETE);
  check(message_decode(bytes_head(&first) + FRAME_HEADER, length, &again) == NULL && message_encode(&second, &again));
  check(bytes_length(&first) == bytes_length(&second));
  check(memcmp(bytes_head(&first), bytes_head(&second), bytes_length(&first)) == 0);
  bytes_free(&first);
  bytes_free(&second);
  return 0;
}
