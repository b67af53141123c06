#ifndef ZLAYER_HOST_LOCK_H
#define ZLAYER_HOST_LOCK_H

/*
 * Locks the open file behind descriptor 3 with flock: `mode` is "try", "wait" or "share" (a shared lock, waiting). The
 * lock belongs to the open file, so it stays with the program that passed the descriptor when this one exits. Waiting
 * ends when standard input does: whoever wanted the lock is gone then.
 *
 * Returns the exit code: 0 locked, 1 somebody else holds the lock, 2 a failure or a wrong mode.
 */
int take_lock(const char *mode);

#endif
