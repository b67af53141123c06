#pragma once

/* As sandbox-exec ends: EX_DATAERR for a profile that is wrong, EX_OSERR for what the system refuses. */
enum { WRONG_PROFILE = 65, REFUSED = 71 };

_Noreturn void fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
void *allocate(unsigned long size);
