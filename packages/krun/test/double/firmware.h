#ifndef KRUN_DOUBLE_FIRMWARE_H
#define KRUN_DOUBLE_FIRMWARE_H

#include "emulator.h"

/* Takes kernel and initramfs into memory, as libkrunfw is taken when a machine is made: later its file may be out of reach. */
void firmware_load(struct machine *machine);

#endif
