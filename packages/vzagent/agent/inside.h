// Paths inside a root that is not the process's own. Links are followed as a process in that root would follow them, so
// nothing in it can lead outside.
#ifndef VZAGENT_INSIDE_H
#define VZAGENT_INSIDE_H

#include <stdbool.h>
#include <sys/types.h>

// Opens `path` below `root` (always close-on-exec); -1 with errno. Magic links of /proc are not followed.
int inside_open(int root, const char *path, int flags);

enum inside_kind { INSIDE_FOLDER, INSIDE_FILE };

// Opens `path` with O_PATH and makes it, with the folders on the way, when it is missing. -1 with errno.
int inside_make(int root, const char *path, enum inside_kind kind);

#endif
