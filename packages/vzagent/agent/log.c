#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/reboot.h>
#include <unistd.h>

enum { CONSOLE = 2, LINE = 512 };

static void write_line(const char *format, va_list values) {
  char text[LINE];
  int length = vsnprintf(text, sizeof text, format, values);
  if (length < 0) return;
  dprintf(CONSOLE, "vzagent: %s\n", text);
}

void log_line(const char *format, ...) {
  va_list values;
  va_start(values, format);
  write_line(format, values);
  va_end(values);
}

static void (*fatal_listener)(const char *reason);

void log_on_fatal(void (*tell)(const char *reason)) { fatal_listener = tell; }

void log_fatal(const char *format, ...) {
  char reason[LINE];
  va_list values;
  va_start(values, format);
  vsnprintf(reason, sizeof reason, format, values);
  va_end(values);
  dprintf(CONSOLE, "vzagent: %s\n", reason);
  if (fatal_listener != NULL) fatal_listener(reason);
  dprintf(CONSOLE, "vzagent: powering off\n");
  sync();
  reboot(RB_POWER_OFF);
  // A machine without a power switch: restarting ends it where the VMM was told not to restart.
  reboot(RB_AUTOBOOT);
  _exit(1);
}
