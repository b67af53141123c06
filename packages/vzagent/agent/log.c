#include "log.h"

#include "text.h"

#include <stdarg.h>
#include <sys/reboot.h>
#include <unistd.h>

enum { CONSOLE = 2, LINE = 512 };

// In one piece: others write to the console, too.
static void write_text(const char *text) {
  char line[LINE + sizeof "vzagent: \n"];
  int length = text_format(line, sizeof line, "vzagent: %s\n", text);
  if (write(CONSOLE, line, (size_t)length) < 0) return;  // a console that is not there has no reader
}

void log_line(const char *format, ...) {
  char text[LINE];
  va_list values;
  va_start(values, format);
  text_format_list(text, sizeof text, format, values);
  va_end(values);
  write_text(text);
}

static void (*fatal_listener)(const char *reason);

void log_on_fatal(void (*tell)(const char *reason)) { fatal_listener = tell; }

void log_fatal(const char *format, ...) {
  char reason[LINE];
  va_list values;
  va_start(values, format);
  text_format_list(reason, sizeof reason, format, values);
  va_end(values);
  write_text(reason);
  if (fatal_listener != NULL) fatal_listener(reason);
  write_text("powering off");
  sync();
  reboot(RB_POWER_OFF);
  // A machine without a power switch: restarting ends it where the VMM was told not to restart.
  reboot(RB_AUTOBOOT);
  _exit(1);
}
