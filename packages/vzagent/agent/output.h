// Pipes between the workload and the connection that runs it.
#ifndef VZAGENT_OUTPUT_H
#define VZAGENT_OUTPUT_H

#include "connection.h"

// What the workload writes: read only while the host takes it, so a slow host slows the workload down.
struct output {
  struct source source;
  struct connection *connection;  // where it goes; null: nowhere, it waits in the pipe
  uint8_t tag;                    // TAG_STDOUT or TAG_STDERR
  void (*ended)(void);
};

// What the workload reads. What its pipe does not take yet is kept here, and the connection is held meanwhile.
struct input {
  struct source source;
  struct connection *connection;  // held until `waiting` is empty; null when none is
  struct bytes waiting;
  bool ending;  // no more will come: close when `waiting` is empty
};

#define OUTPUT_CLOSED {.source = {.fd = -1}}
#define INPUT_CLOSED {.source = {.fd = -1}}

// Takes the pipe's reading end over; nothing is read before `output_resume`. `ended` is called at its end of file.
void output_open(struct output *output, int fd, uint8_t tag, void (*ended)(void));

// Reads on for `connection`, or waits when it is null.
void output_resume(struct output *output, struct connection *connection);

void output_close(struct output *output);

// Takes the pipe's writing end over.
void input_open(struct input *input, int fd);

// Writes for `connection`, holding it when the pipe is full. False when the workload reads no more.
bool input_write(struct input *input, struct slice data, struct connection *connection);

// Closes the pipe once everything is written.
void input_end(struct input *input);

// The connection is gone: it is not held any more, and what waited is still written.
void input_abandon(struct input *input);

void input_close(struct input *input);

#endif
