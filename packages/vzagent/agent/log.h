// Lines on the guest's console.
#ifndef VZAGENT_LOG_H
#define VZAGENT_LOG_H

#include <stdnoreturn.h>

__attribute__((format(printf, 1, 2))) void log_line(const char *format, ...);

// Who else is told why the guest powers off.
void log_on_fatal(void (*tell)(const char *reason));

// Says why the guest cannot go on and powers it off. A guest that cannot serve must never look alive.
__attribute__((format(printf, 1, 2))) noreturn void log_fatal(const char *format, ...);

#endif
