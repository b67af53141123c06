#ifndef ZLAYER_HOST_DOOR_H
#define ZLAYER_HOST_DOOR_H

/*
 * Listens on a Unix socket, and joins each caller (`CONNECT PORT\n`, as for the device) to a connection of its own to the
 * vsock device's socket. The device's side of a call is never closed before the device has answered, whatever becomes of
 * the caller: vhost-device-vsock 0.3.0 panics when it cannot write its answer, and its guest is out of reach for ever.
 *
 * Returns an exit code after a failure, which standard error tells; else never.
 */
int keep_door(const char *socket_path, const char *device_path);

#endif
