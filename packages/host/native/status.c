#include "status.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void add_process(struct text *text, const struct child *child) {
  text_add(text, "{\"name\":");
  text_add_json(text, child->program->name);
  text_add(text, ",\"pid\":");
  text_add_integer(text, child->pid);
  text_add(text, ",\"startTime\":");
  text_add_json(text, child->start_time);
  text_add(text, "}");
}

static void add_helpers(struct text *text, const struct host *host) {
  bool first = true;
  text_add(text, "[");
  for (size_t i = 0; i < host->config.helper_count; i++) {
    if (host->helpers[i].pid == 0) continue;
    if (!first) text_add(text, ",");
    add_process(text, &host->helpers[i]);
    first = false;
  }
  text_add(text, "]");
}

static const char *state_name(enum phase phase) {
  if (phase == ENDED) return "exited";
  return phase == STARTING ? "starting" : "running";
}

void status_add_exit(struct text *text, const struct host *host) {
  if (host->phase != ENDED) {
    text_add(text, "null");
    return;
  }
  int status = host->main.wait_status;
  text_add(text, "{\"code\":");
  if (host->main.ended && WIFEXITED(status)) {
    text_add_integer(text, WEXITSTATUS(status));
  } else {
    text_add(text, "null");
  }
  text_add(text, ",\"signal\":");
  if (host->main.ended && WIFSIGNALED(status)) {
    text_add_integer(text, WTERMSIG(status));
  } else {
    text_add(text, "null");
  }
  text_add(text, ",\"reason\":");
  text_add_json(text, host->reason);
  text_add(text, ",\"message\":");
  text_add_json(text, host->message.message);
  text_add(text, "}");
}

void status_add(struct text *text, const struct host *host) {
  static const char *const owners[] = {
      [OWNER_LAUNCHER] = "\"launcher\"", [OWNER_CLIENT] = "\"connection\"", [OWNER_NONE] = "null"};
  text_add(text, "{\"version\":1,\"state\":");
  text_add_json(text, state_name(host->phase));
  text_add(text, ",\"pid\":");
  text_add_integer(text, host->pid);
  text_add(text, ",\"startTime\":");
  text_add_json(text, host->start_time);
  text_add(text, ",\"main\":");
  if (host->main.pid == 0) {
    text_add(text, "null");
  } else {
    add_process(text, &host->main);
  }
  text_add(text, ",\"helpers\":");
  add_helpers(text, host);
  text_add(text, ",\"owner\":");
  text_add(text, owners[host->owner]);
  text_add(text, ",\"onOwnerExit\":");
  text_add_json(text, host->config.keep_on_owner_exit ? "keep" : "stop");
  text_add(text, ",\"exit\":");
  status_add_exit(text, host);
  text_add(text, ",\"startedAt\":");
  text_add_json(text, host->started_at);
  text_add(text, ",\"endedAt\":");
  text_add_json(text, host->ended_at[0] == '\0' ? NULL : host->ended_at);
  text_add(text, "}");
}

static bool write_whole(int file, const char *bytes, size_t length) {
  while (length > 0) {
    ssize_t wrote = write(file, bytes, length);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return false;
    bytes += wrote;
    length -= (size_t)wrote;
  }
  return true;
}

bool status_write(const struct host *host, struct failure *failure) {
  static char bytes[MAX_STATUS_BYTES];
  struct text text = {.bytes = bytes, .capacity = sizeof bytes};
  const char *path = host->config.status_file;
  char temporary[MAX_PATH_BYTES + 32];
  status_add(&text, host);
  text_add(&text, "\n");
  if (text.overflow) return fail(failure, "statusFile: the status is longer than %d bytes", MAX_STATUS_BYTES);

  snprintf(temporary, sizeof temporary, "%s.%ld", path, (long)host->pid);
  unlink(temporary);
  int file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  bool written = file >= 0 && write_whole(file, text.bytes, text.length) && fsync(file) == 0;
  int error = errno;
  if (file >= 0) close(file);
  if (written && rename(temporary, path) == 0) return true;
  if (written) error = errno;
  unlink(temporary);
  return fail(failure, "statusFile: cannot write %s: %s", path, strerror(error));
}
