/* Keeps a program from writing where it may only read. */
#ifndef ZLAYER_HOST_PROTECT_H
#define ZLAYER_HOST_PROTECT_H

/*
 * Gives the calling process a view of the file system in which the paths, and all that is mounted below them, are
 * read-only. The rest of the system is not affected. Returns 0, or the errno of what went wrong.
 */
int protect_paths(char *const *paths);

#endif
