// What a program writes, on its way into the spool.
#ifndef VZAGENT_OUTPUT_H
#define VZAGENT_OUTPUT_H

#include "loop.h"

#include <stddef.h>

struct process;

// The pipe's reading end, or a terminal's master. Nothing is read while the spool has no room: the program is slowed
// down.
struct output {
  struct source source;
  struct timer rest;
  struct process *process;
  uint8_t stream;
  bool is_last;  // the program has ended: only what is already in the pipe is still read
  size_t left;   // at most so much
};

#define OUTPUT_CLOSED {.source = {.fd = -1}}

// Takes the descriptor over and reads.
void output_open(struct output *output, struct process *process, int fd, uint8_t stream);

// Reads on: there may be room again.
void output_resume(struct output *output);

// Reads what is in the pipe and closes it, though others may still hold its other end.
void output_finish(struct output *output);

void output_close(struct output *output);

// Prepares an end of a pipe or a terminal for the agent: it never waits, and a pipe holds more than usual.
void output_prepare(int fd);

#endif
