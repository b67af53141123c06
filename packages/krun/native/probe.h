#ifndef KRUN_PROBE_H
#define KRUN_PROBE_H

/*
 * Prints, as one line of JSON, what a library can do, or `{"error","message"}` with the error "not-found" or "too-old".
 * Returns the exit code. A library that crashes as it is loaded costs this process alone.
 */
int probe(const char *path);

#endif
