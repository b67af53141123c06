#include "../power.h"

#include <stdlib.h>

// By way of `exit`, so that a sanitizer looks for leaks.
void power_off(void) { exit(0); }
