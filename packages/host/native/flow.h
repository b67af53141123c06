/* One direction of a connection through the host: what comes from one socket goes to another. */
#ifndef ZLAYER_HOST_FLOW_H
#define ZLAYER_HOST_FLOW_H

#include <stdbool.h>
#include <stddef.h>

struct flow {
  char *left; /* read and not yet written; NULL when all is */
  size_t left_begin, left_end;
  bool ended;      /* nothing more comes */
  bool passed_on;  /* and the other side has been told */
};

/* Whether it waits for more to come, or for room to write what it has. */
bool flow_reads(const struct flow *flow);
bool flow_writes(const struct flow *flow);
/* Moves what can be moved without waiting. False: the target takes nothing any more, or there is no memory. */
bool flow_move(struct flow *flow, int from, int to);
/* For a target that takes nothing any more: reads what can be read without waiting, so that the sender goes on. */
void flow_drop(struct flow *flow, int from);
void flow_free(struct flow *flow);

#endif
