#include "shutdown.h"

#include "container.h"
#include "freeze.h"
#include "power.h"
#include "workload.h"

#include <signal.h>

// For the last answers to leave, and for a container to die that was killed.
enum { LEAVE_MILLISECONDS = 50, DEATH_MILLISECONDS = 5000 };

static struct timer timer;
static bool is_going_on;

static void power_off_now(struct timer *expired) {
  (void)expired;
  container_let_go();
  power_off();
}

static void leave(void) { timer_start(&timer, LEAVE_MILLISECONDS, power_off_now); }

static void give_up(struct timer *expired) {
  (void)expired;
  workload_kill();
  timer_start(&timer, DEATH_MILLISECONDS, power_off_now);
}

void shutdown_guest(struct connection *connection, const struct message *message) {
  connection_send_done(connection);
  if (is_going_on) return;
  is_going_on = true;
  if (!workload_is_there()) return leave();
  workload_when_gone(leave);
  // What is frozen cannot answer a signal.
  freeze_forget();
  struct process *process = process_find(WORKLOAD);
  if (process == NULL || process_signal(process, workload_stop_signal(), SIGNAL_TARGET_PROCESS) != NULL) {
    give_up(&timer);
  } else {
    timer_start(&timer, message->shutdown.grace_millis, give_up);
  }
}
