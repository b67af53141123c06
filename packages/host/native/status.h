#ifndef ZLAYER_HOST_STATUS_H
#define ZLAYER_HOST_STATUS_H

#include <stdbool.h>

#include "host.h"
#include "text.h"

/* The status as one JSON object. */
void status_add(struct text *text, const struct host *host);
/* Its member "exit": null until the host has ended. */
void status_add_exit(struct text *text, const struct host *host);
/* Replaces the status file as a whole. */
bool status_write(const struct host *host, struct failure *failure);

#endif
