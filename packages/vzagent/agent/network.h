// The guest's network, as far as it needs no configuration from outside.
#ifndef VZAGENT_NETWORK_H
#define VZAGENT_NETWORK_H

// Brings the loopback interface up and lets every user bind low ports and ping, as in a Docker container.
// What fails is a line on the console.
void network_prepare(void);

#endif
