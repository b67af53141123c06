// ArchiveGet, ArchivePut, ArchiveHead: files into and out of the container, as tar streams. A process of its own for
// each does the work inside the container's mount namespace, so that no path leads out and no disk makes the agent
// wait.
#ifndef VZAGENT_ARCHIVE_H
#define VZAGENT_ARCHIVE_H

#include "connection.h"

void archive_get(struct connection *connection, struct slice path);
void archive_put(struct connection *connection, const struct archive_put_message *message);
void archive_head(struct connection *connection, struct slice path);

#endif
