// What a process does that works on an archive, inside the container's mount namespace. A null result is success.
#ifndef VZAGENT_ARCHIVE_WORK_H
#define VZAGENT_ARCHIVE_WORK_H

#include "archive_channel.h"

// Sends the file's properties; a link at the end of the path is not followed, unless a slash follows it.
const struct fault *work_head(struct channel *channel, int root, const char *path);

// The same, then the archive.
const struct fault *work_get(struct channel *channel, int root, const char *path);

const struct fault *work_put(struct channel *channel, int root, const char *path, bool keep_owners,
                             bool replace_folders);

#endif
