#ifndef ZLAYER_HOST_CONSOLE_H
#define ZLAYER_HOST_CONSOLE_H

/*
 * Listens on a Unix socket for one connection and writes what comes from it to a file, which never holds more than `limit`
 * bytes: when it is full, the newer half is kept. Whatever a guest writes to its console, the host's disk stays as it is.
 *
 * Returns the exit code: 0 when the connection has ended, 1 after a failure, which standard error tells.
 */
int keep_console(const char *socket_path, const char *file, const char *limit);

#endif
