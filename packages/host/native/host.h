/* The host's whole state, and its life: start, run, end. */
#ifndef ZLAYER_HOST_HOST_H
#define ZLAYER_HOST_HOST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "child.h"
#include "clock.h"
#include "config.h"
#include "connector.h"
#include "control.h"
#include "failure.h"
#include "identity.h"

enum { LIFELINE = 3 };

enum phase { STARTING, RUNNING, ENDING, ENDED };

enum owner { OWNER_LAUNCHER, OWNER_CLIENT, OWNER_NONE };

struct host {
  struct config config;
  pid_t pid;
  char start_time[START_TIME_BYTES];
  char started_at[TIMESTAMP_BYTES];
  char ended_at[TIMESTAMP_BYTES]; /* "" while it runs */

  enum phase phase;
  struct child main;
  struct child helpers[MAX_HELPERS];
  struct connector connector;
  struct control control;

  int signals;  /* readable when a signal came */
  int lifeline; /* -1 once its other end is gone */
  enum owner owner;
  int owner_client; /* of OWNER_CLIENT */

  const char *reason; /* why it ends, as the status file says it; NULL until that is known */
  struct failure message;
  bool stopping;
  int64_t kill_main_at; /* -1: never */
  int64_t start_deadline;
  int64_t kill_helpers_at; /* -1: never */
};

/* Runs everything to its end. Returns the program's exit code. */
int host_run(struct host *host);

/* Asks main to end, and kills it after the grace. The first reason stays; a later call can only shorten the grace. */
void host_stop(struct host *host, const char *reason, const char *why, int64_t grace_ms);

#endif
