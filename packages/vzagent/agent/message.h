// The messages of the wire protocol, tags 1-14. A decoded message points into the bytes it was decoded from.
#ifndef VZAGENT_MESSAGE_H
#define VZAGENT_MESSAGE_H

#include "postcard.h"

enum tag {
  TAG_RUN = 1,
  TAG_EXEC = 2,
  TAG_SIGNAL = 3,
  TAG_STDOUT = 4,
  TAG_STDERR = 5,
  TAG_STARTED = 6,
  TAG_EXITED = 7,
  TAG_ERROR = 8,
  TAG_FORWARD = 9,
  TAG_MOUNT = 10,
  TAG_STDIN = 11,
  TAG_STDIN_EOF = 12,
  TAG_OVERLAY_CONFIG = 13,
  TAG_SET_TIME = 14,
};

// A checked list of strings, pairs of strings or peers, still encoded: `count` elements starting at `encoded`.
struct list {
  uint64_t count;
  struct slice encoded;
};

struct optional_slice {
  bool present;
  struct slice value;
};

struct optional_u32 {
  bool present;
  uint32_t value;
};

struct run_message {
  struct list argv;
  struct list env;  // of pairs
  struct optional_slice cwd;
  uint32_t uid;
  uint32_t gid;
};

struct exec_message {
  struct list argv;
  struct list env;  // of pairs
  struct optional_slice cwd;
  struct optional_u32 uid;
  struct optional_u32 gid;
  struct optional_slice user;
};

struct mount_message {
  struct slice tag;
  struct slice target;
  bool readonly;
};

struct overlay_message {
  struct slice ip;
  uint8_t prefix_length;
  struct slice private_key;
  uint16_t listen_port;
  struct list peers;  // public key, endpoint, allowed IPs, keepalive seconds
  struct optional_slice dns_server;
  struct optional_slice dns_domain;
};

struct message {
  uint8_t tag;  // an enum tag: it says which member holds the fields
  union {
    struct run_message run;
    struct exec_message exec;
    struct mount_message mount;
    struct overlay_message overlay;
    int32_t signum;      // Signal
    int32_t pid;         // Started
    int32_t code;        // Exited
    uint16_t port;       // Forward
    int64_t unix_secs;   // SetTime
    struct slice data;   // Stdout, Stderr, Stdin; Error's text
  };
};

// Decodes the part of a frame behind its length: tag and payload. Null when it worked, or what is wrong with it.
const char *message_decode(const uint8_t *body, size_t length, struct message *message);

// Appends the whole frame. False when memory is short; nothing is appended then.
bool message_encode(struct bytes *out, const struct message *message);

// The protocol's name of a tag, or null for an unknown one.
const char *message_name(uint8_t tag);

#endif
