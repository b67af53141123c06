// Kernel modules from the initramfs.
#ifndef VZAGENT_MODULES_H
#define VZAGENT_MODULES_H

#include <stdbool.h>

// Loads the modules of a list, in its order. A line is a path, or `virtio:N path` for a driver that is loaded only
// when the machine has a virtio device of type N. What cannot be loaded is a line on the console, no failure.
void modules_load(const char *list);

// The same, with something else to do after each of them.
void modules_load_between(const char *list, void (*meanwhile)(void));

// Whether a virtio driver is there and drives a device.
bool modules_drive(const char *driver);

#endif
