#include "request.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "host.h"
#include "status.h"

static void refuse(struct text *answer, const char *why) {
  text_add(answer, "{\"ok\":false,\"error\":");
  text_add_json(answer, why);
  text_add(answer, "}");
}

static void agree(struct text *answer) { text_add(answer, "{\"ok\":true}"); }

static const struct json_value *member(const struct json_value *object, const char *key) {
  const struct json_value *at = object->first;
  while (at != NULL && strcmp(at->key, key) != 0) at = at->next;
  return at;
}

/* Whether the request has no keys but "op" and `key`. */
static bool only_key(const struct json_value *request, const char *key) {
  for (const struct json_value *at = request->first; at != NULL; at = at->next) {
    if (strcmp(at->key, "op") != 0 && (key == NULL || strcmp(at->key, key) != 0)) return false;
  }
  return true;
}

static bool integer_within(const struct json_value *value, int64_t least, int64_t most) {
  return value != NULL && value->type == JSON_INTEGER && value->integer >= least && value->integer <= most;
}

static void answer_status(struct host *host, struct text *answer) {
  text_add(answer, "{\"ok\":true,\"status\":");
  status_add(answer, host);
  text_add(answer, "}");
}

static void answer_signal(struct host *host, const struct json_value *request, struct text *answer) {
  const struct json_value *signum = member(request, "signum");
  if (!integer_within(signum, 1, NSIG - 1)) {
    refuse(answer, "signum: must be the number of a signal");
  } else if (!child_runs(&host->main)) {
    refuse(answer, "main is not running");
  } else if (kill(host->main.pid, (int)signum->integer) != 0) {
    refuse(answer, strerror(errno));
  } else {
    agree(answer);
  }
}

static void answer_stop(struct host *host, const struct json_value *request, struct text *answer) {
  const struct json_value *grace = member(request, "graceMs");
  if (grace != NULL && !integer_within(grace, 0, MAX_DURATION_MS)) {
    refuse(answer, "graceMs: must be a number of milliseconds, at most a day");
    return;
  }
  host_stop(host, "stopped", "stopped on request", grace == NULL ? host->config.stop_grace_ms : grace->integer);
  agree(answer);
}

static void answer_own(struct host *host, int client, const struct json_value *request, struct text *answer) {
  const struct json_value *policy = member(request, "onOwnerExit");
  const char *word = policy != NULL && policy->type == JSON_STRING ? policy->string : "";
  if (policy != NULL && strcmp(word, "keep") != 0 && strcmp(word, "stop") != 0) {
    refuse(answer, "onOwnerExit: must be \"stop\" or \"keep\"");
    return;
  }
  if (host->owner == OWNER_CLIENT && host->owner_client != client) {
    refuse(answer, "another connection is the owner");
    return;
  }
  host->owner = OWNER_CLIENT;
  host->owner_client = client;
  if (policy != NULL) host->config.keep_on_owner_exit = strcmp(word, "keep") == 0;
  agree(answer);
}

void request_answer(void *context, int client, const struct json_value *request, struct text *answer) {
  struct host *host = context;
  const struct json_value *op = request->type == JSON_OBJECT ? member(request, "op") : NULL;
  const char *name = op != NULL && op->type == JSON_STRING ? op->string : "";
  const char *key = NULL;
  if (strcmp(name, "signal") == 0) key = "signum";
  if (strcmp(name, "stop") == 0) key = "graceMs";
  if (strcmp(name, "own") == 0) key = "onOwnerExit";
  if (key == NULL && strcmp(name, "status") != 0) {
    refuse(answer, "op: must be status, signal, stop or own");
  } else if (!only_key(request, key)) {
    refuse(answer, "the request has an unknown key");
  } else if (key == NULL) {
    answer_status(host, answer);
  } else if (*name == 'o') {
    answer_own(host, client, request, answer);
  } else if (strcmp(name, "stop") == 0) {
    answer_stop(host, request, answer);
  } else {
    answer_signal(host, request, answer);
  }
}

void owner_gone(struct host *host) {
  host->owner = OWNER_NONE;
  if (!host->config.keep_on_owner_exit) {
    host_stop(host, "owner-gone", "the owner ended", host->config.stop_grace_ms);
  }
}

void request_client_gone(void *context, int client) {
  struct host *host = context;
  if (host->owner == OWNER_CLIENT && host->owner_client == client) owner_gone(host);
}
