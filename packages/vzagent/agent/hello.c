#include "hello.h"

#include "text.h"

// The package's, except in builds for tests.
#ifndef VZAGENT_VERSION
#define VZAGENT_VERSION "0.0.0-test"
#endif
#define SOFTWARE "vzagent/" VZAGENT_VERSION

enum { PROTOCOL_VERSION = 1 };

// What is compiled in, beside tags 1 to 14, Hello, Done and Failed.
static const char *const features[] = {
    "archive",      // ArchiveGet, ArchivePut, ArchiveHead
    "attach",       // Attach, OutputTaken, Wait
    "clock",        // SetClock
    "detach",       // Detach
    "execute",      // Execute, SignalProcess, Resize, ListProcesses
    "freeze",       // Freeze, Thaw
    "network",      // GetNetwork
    "overlay",      // ConfigureOverlay
    "reuse",        // Execute and Connect on the connection of a process or a tunnel that has ended
    "shutdown",     // Shutdown
    "start",        // Start
    "statistics",   // GetStatistics
    "tunnel",       // Connect: tcp, udp, unix
    "watch",        // Watch
};

void hello(struct connection *connection, const struct message *message) {
  (void)message;
  struct list_maker list = {0};
  bool is_complete = true;
  for (size_t i = 0; i < sizeof features / sizeof features[0]; i++) {
    is_complete = is_complete && string_add(&list, text_slice(features[i]));
  }
  struct hello_message answer = {
      .version = PROTOCOL_VERSION, .features = list_made(&list), .software = text_slice(SOFTWARE)};
  if (is_complete) {
    connection_send(connection, &(struct message){.tag = TAG_HELLO, .hello = answer});
  } else {
    connection_send_fault(connection, fault(FAILURE_KIND_EXHAUSTED, "out of memory"));
  }
  bytes_free(&list.encoded);
}
