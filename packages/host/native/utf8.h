#ifndef ZLAYER_HOST_UTF8_H
#define ZLAYER_HOST_UTF8_H

#include <stddef.h>

/* Length (1 to 4) of the well-formed UTF-8 sequence at the start of `bytes`, or 0 if there is none. */
size_t utf8_sequence(const char *bytes, size_t length);

#endif
