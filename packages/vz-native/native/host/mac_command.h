/*
 * What guests that run macOS are made of, for programs that are not entitled themselves. The answer is one line of JSON,
 * `{"error"}` with the exit code 1 if the framework refuses.
 *
 *   machine-identifier                          {"machineIdentifier"}
 *   hardware-model BASE64                       {"hardwareModel":"supported"}
 *   create-auxiliary-storage PATH BASE64        {}
 *   restore-image PATH                          {"url","version","build","supported","hardwareModel","minCpus","minMemoryBytes"}
 *   latest-restore-image                        the same
 */
#pragma once

int macCommand(int count, char **arguments);
