#ifndef ZLAYER_HOST_CLOCK_H
#define ZLAYER_HOST_CLOCK_H

#include <stdint.h>

enum { TIMESTAMP_BYTES = 32 };

/* Milliseconds on a clock that never jumps. */
int64_t now_ms(void);
/* The wall clock as RFC 3339 in UTC with milliseconds. */
void timestamp(char out[TIMESTAMP_BYTES]);

#endif
