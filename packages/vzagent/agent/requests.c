#include "requests.h"

#include "clock.h"
#include "workload.h"

#include <errno.h>
#include <string.h>

void request_handle(struct connection *connection, const struct message *message) {
  switch (message->tag) {
    case TAG_RUN: return workload_run(connection, &message->run);
    case TAG_SIGNAL: return workload_signal(connection, message->signum);
    case TAG_MOUNT: return workload_mount(connection, &message->mount);
    case TAG_STDIN: return workload_stdin(connection, message->data);
    case TAG_STDIN_EOF: return workload_stdin_end(connection);
    case TAG_ERROR: return;  // the host's own trouble; nothing here depends on it
    case TAG_SET_TIME:
      if (!clock_set(message->unix_secs)) connection_send_error(connection, "SetTime: %s", strerror(errno));
      return;
    case TAG_EXEC:
    case TAG_FORWARD:
    case TAG_OVERLAY_CONFIG:
      return connection_send_error(connection, "%s is not supported by this agent", message_name(message->tag));
    default:
      return connection_send_error(connection, "%s is a message from the guest to the host",
                                   message_name(message->tag));
  }
}
