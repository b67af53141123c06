#ifndef ZLAYER_HOST_REQUEST_H
#define ZLAYER_HOST_REQUEST_H

#include "control.h"

/* The operations of the control socket; `context` is the struct host. */
void request_answer(void *context, int client, const struct json_value *request, struct text *answer);
/* A client left; if it was the owner, the owner is gone. */
void request_client_gone(void *context, int client);
/* Nobody owns the host any more: stop or go on, as the configuration says. */
struct host;
void owner_gone(struct host *host);

#endif
