// Small reads and writes of whole files, and folders on the way to them.
#ifndef VZAGENT_FILES_H
#define VZAGENT_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

// Writes `text` in one call, as the kernel's own files want it. Errno says why it failed.
bool file_write(const char *path, const char *text);

// Reads a file of unknown length. The result is terminated and the caller's to free; null with errno on failure.
char *file_read(const char *path, size_t *length);

// Makes every missing folder of `path` and gives those it made to the owner. Errno says why it failed.
bool make_folders(const char *path, mode_t mode, uid_t uid, gid_t gid);

#endif
