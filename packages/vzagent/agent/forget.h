// Lets the host close files of its folders that the guest merely remembers.
#ifndef VZAGENT_FORGET_H
#define VZAGENT_FORGET_H

#include <stdint.h>

// From now on the guest forgets what it does not use whenever it has come to remember this many files more.
void forget_beyond(uint64_t files);

#endif
