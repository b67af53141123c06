#include "requests.h"

#include "archive.h"
#include "clock.h"
#include "execute.h"
#include "forward.h"
#include "freeze.h"
#include "hello.h"
#include "network.h"
#include "overlay.h"
#include "process_list.h"
#include "session.h"
#include "shutdown.h"
#include "statistics.h"
#include "tunnel.h"
#include "wait.h"
#include "watch.h"
#include "workload.h"

static void answer(struct connection *connection, const struct fault *failed) {
  if (failed != NULL) {
    connection_send_fault(connection, failed);
  } else {
    connection_send_done(connection);
  }
}

static void set_time(struct connection *connection, const struct message *message) {
  if (clock_set(message->set_time.unix_secs)) return;
  connection_send_error(connection, "SetTime: %m");
}

static void set_clock(struct connection *connection, const struct message *message) {
  bool set = clock_set_micros(message->set_clock.unix_micros);
  answer(connection, set ? NULL : fault_errno("cannot set the clock"));
}

static void overlay_config(struct connection *connection, const struct message *message) {
  const struct fault *failed = overlay_configure(&message->overlay_config);
  if (failed != NULL) connection_send_error(connection, "OverlayConfig: %s", failed->text);
}

static void configure_overlay(struct connection *connection, const struct message *message) {
  answer(connection, overlay_configure(&message->configure_overlay));
}

static void get_archive(struct connection *connection, const struct message *message) {
  archive_get(connection, message->archive_get.path);
}

static void put_archive(struct connection *connection, const struct message *message) {
  archive_put(connection, &message->archive_put);
}

static void head_archive(struct connection *connection, const struct message *message) {
  archive_head(connection, message->archive_head.path);
}

static void forward(struct connection *connection, const struct message *message) {
  forward_connect(connection, message->forward.port);
}

static void tunnel(struct connection *connection, const struct message *message) {
  tunnel_connect(connection, &message->connect);
}

static void get_network(struct connection *connection, const struct message *message) {
  (void)message;
  network_report(connection);
}

static void watch(struct connection *connection, const struct message *message) {
  watch_begin(connection, &message->watch);
}

static void signal_process(struct connection *connection, const struct message *message) {
  const struct signal_process_message *request = &message->signal_process;
  struct process *process;
  const struct fault *failed = process_get(request->process, &process);
  answer(connection, failed != NULL ? failed : process_signal(process, request->signum, request->target));
}

static void resize(struct connection *connection, const struct message *message) {
  struct process *process;
  const struct fault *failed = process_get(message->resize.process, &process);
  answer(connection, failed != NULL ? failed : process_resize(process, &message->resize.size));
}

// For a role that the connection does not have (any more): a host may not know yet that a process has ended.
static void late_stdin(struct connection *connection, const struct message *message) {
  connection_send_error(connection, "%s: this connection runs no workload", message_name(message->tag));
}

// The host's own trouble, or what comes too late to matter; nothing here depends on it.
static void ignore(struct connection *connection, const struct message *message) {
  (void)connection;
  (void)message;
}

static const struct request {
  void (*handle)(struct connection *connection, const struct message *message);
} requests[] = {
    [TAG_RUN] = {workload_run},
    [TAG_EXEC] = {execute_legacy},
    [TAG_SIGNAL] = {workload_signal},
    [TAG_ERROR] = {ignore},
    [TAG_FORWARD] = {forward},
    [TAG_MOUNT] = {workload_mount},
    [TAG_STDIN] = {late_stdin},
    [TAG_STDIN_EOF] = {late_stdin},
    [TAG_OVERLAY_CONFIG] = {overlay_config},
    [TAG_SET_TIME] = {set_time},

    [TAG_HELLO] = {hello},
    [TAG_START] = {workload_start},
    [TAG_EXECUTE] = {execute},
    [TAG_ATTACH] = {attach},
    [TAG_OUTPUT_TAKEN] = {ignore},
    [TAG_SIGNAL_PROCESS] = {signal_process},
    [TAG_RESIZE] = {resize},
    [TAG_WAIT] = {wait_for},
    [TAG_LIST_PROCESSES] = {process_list},
    [TAG_FREEZE] = {freeze},
    [TAG_THAW] = {thaw},
    [TAG_SHUTDOWN] = {shutdown_guest},
    [TAG_DETACH] = {detach},

    [TAG_GET_STATISTICS] = {statistics},
    [TAG_SET_CLOCK] = {set_clock},
    [TAG_GET_NETWORK] = {get_network},
    [TAG_CONFIGURE_OVERLAY] = {configure_overlay},
    [TAG_WATCH] = {watch},
    [TAG_CONNECT] = {tunnel},
    [TAG_ARCHIVE_GET] = {get_archive},
    [TAG_ARCHIVE_PUT] = {put_archive},
    [TAG_ARCHIVE_HEAD] = {head_archive},
};

static void refuse(struct connection *connection, uint8_t tag) {
  const char *name = message_name(tag);
  if (!message_is_for_guest(tag)) {
    connection_send_error(connection, "%s is a message from the guest to the host", name);
  } else if (tag < TAG_HELLO) {
    connection_send_error(connection, "%s is not supported by this agent", name);
  } else {
    connection_send_fault(connection, fault(FAILURE_KIND_UNSUPPORTED, "%s is not supported here", name));
  }
}

void request_handle(struct connection *connection, const struct message *message) {
  size_t count = sizeof requests / sizeof requests[0];
  if (message->tag < count && requests[message->tag].handle != NULL) {
    requests[message->tag].handle(connection, message);
  } else {
    refuse(connection, message->tag);
  }
}

void requests_connection_lost(struct connection *connection) {
  wait_connection_lost(connection);
  freeze_connection_lost(connection);
}
