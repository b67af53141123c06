#ifndef ZLAYER_HOST_DESCRIPTORS_H
#define ZLAYER_HOST_DESCRIPTORS_H

#include <stdbool.h>

/* Opens /dev/null for each of 0, 1 and 2 that is closed, so that no later file takes its number. */
bool fill_standard_descriptors(void);
/* Closes whatever the parent left open above `last`. */
void close_descriptors_above(int last);
/* A descriptor that does not block and does not pass to programs. */
bool set_private(int descriptor);
bool set_blocking(int descriptor, bool blocking);

#endif
