// What a program reads.
#ifndef VZAGENT_INPUT_H
#define VZAGENT_INPUT_H

#include "connection.h"

struct process;

enum { STDIN_WINDOW = 256 * 1024 };

// The pipe's writing end, or a terminal's master. What does not go through it yet is kept here.
struct input {
  struct source source;
  struct process *process;
  struct bytes waiting;
  bool is_terminal;
  bool ending;  // no more will come: close when `waiting` is empty
};

#define INPUT_CLOSED {.source = {.fd = -1}}

// Takes the descriptor over.
void input_open(struct input *input, struct process *process, int fd, bool is_terminal);

// Writes, and keeps what cannot be written yet. False when memory is short.
bool input_write(struct input *input, struct slice data);

// Closes the pipe once everything is written. A terminal stays open; its reader sees the end of input.
void input_end(struct input *input);

// How many bytes a host may send now.
uint32_t input_window(const struct input *input);

void input_close(struct input *input);

#endif
