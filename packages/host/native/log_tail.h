#ifndef ZLAYER_HOST_LOG_TAIL_H
#define ZLAYER_HOST_LOG_TAIL_H

#include <sys/types.h>

#include "limits.h"

/* The last whole lines that a program wrote to its log since offset `since`; "" if there are none. */
void log_tail(const char *path, off_t since, char tail[MAX_LOG_TAIL_BYTES + 1]);

#endif
