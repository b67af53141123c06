/*
 * A host that is killed with SIGKILL cannot end its children, and what the kernel can do about it (PR_SET_PDEATHSIG)
 * exists on Linux alone and does not reach grandchildren. So a tiny process waits for the host's end on a pipe and then
 * kills the process groups that it has been told of.
 */
#ifndef ZLAYER_HOST_GUARDIAN_H
#define ZLAYER_HOST_GUARDIAN_H

#include <stdbool.h>
#include <sys/types.h>

#include "failure.h"

bool guardian_start(struct failure *failure);
void guardian_add(pid_t group);
/* To be called while the group's leader is not reaped yet, or a stranger might get its number. */
void guardian_forget(pid_t group);
/* Ends the guardian; for a host that has nothing left to guard. */
void guardian_stop(void);

#endif
