// Rosetta: programs for x86-64 on an arm64 Mac, run by an interpreter that the host shares.
#ifndef VZAGENT_ROSETTA_H
#define VZAGENT_ROSETTA_H

// Registers the interpreter of the virtio-fs share `rosetta`, if there is one. What fails is a line on the console.
void rosetta_register(void);

#endif
