#include "power.h"

#include <sys/reboot.h>
#include <unistd.h>

void power_off(void) {
  sync();
  for (;;) {
    reboot(RB_POWER_OFF);
    pause();
  }
}
