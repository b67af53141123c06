// Generated from the schema of @zlayer/vzagent-proto by its `generate` script: do not edit.
//
// The messages of the wire protocol. A decoded message points into the bytes it was decoded from. A list stays encoded,
// but is checked; its elements are had one after the other:
//
//   struct reader in = list_reader(message.start.mounts);
//   for (struct mount_point mount; mount_point_next(&in, &mount);) ...
//
// A list to be sent is made element by element:
//
//   struct list_maker processes = {0};
//   process_entry_add(&processes, &entry);
//   struct message message = {.tag = TAG_PROCESSES, .processes.processes = list_made(&processes)};
//   ... and bytes_free(&processes.encoded) when it is encoded.
#ifndef VZAGENT_MESSAGE_H
#define VZAGENT_MESSAGE_H

#include "shape.h"

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
  TAG_HELLO = 32,
  TAG_DONE = 33,
  TAG_FAILED = 34,
  TAG_START = 40,
  TAG_EXECUTE = 41,
  TAG_ATTACH = 42,
  TAG_PROCESS_STARTED = 43,
  TAG_OUTPUT = 44,
  TAG_OUTPUT_TAKEN = 45,
  TAG_STDIN_TAKEN = 46,
  TAG_PROCESS_EXITED = 47,
  TAG_SIGNAL_PROCESS = 48,
  TAG_RESIZE = 49,
  TAG_WAIT = 50,
  TAG_LIST_PROCESSES = 51,
  TAG_PROCESSES = 52,
  TAG_FREEZE = 53,
  TAG_THAW = 54,
  TAG_SHUTDOWN = 55,
  TAG_DETACH = 56,
  TAG_GET_STATISTICS = 60,
  TAG_STATISTICS = 61,
  TAG_SET_CLOCK = 62,
  TAG_GET_NETWORK = 63,
  TAG_NETWORK = 64,
  TAG_CONFIGURE_OVERLAY = 65,
  TAG_WATCH = 66,
  TAG_OOM_KILLED = 67,
  TAG_MEMORY_PRESSURE = 68,
  TAG_CONNECT = 70,
  TAG_DATA = 71,
  TAG_END = 72,
  TAG_RESET = 73,
  TAG_ARCHIVE_GET = 74,
  TAG_ARCHIVE_PUT = 75,
  TAG_ARCHIVE_HEAD = 76,
  TAG_FILE_INFO = 77,
};

enum failure_kind {
  FAILURE_KIND_INVALID,
  FAILURE_KIND_NOT_FOUND,
  FAILURE_KIND_NOT_EXECUTABLE,
  FAILURE_KIND_UNKNOWN_USER,
  FAILURE_KIND_CONFLICT,
  FAILURE_KIND_GONE,
  FAILURE_KIND_EXHAUSTED,
  FAILURE_KIND_REFUSED,
  FAILURE_KIND_UNSUPPORTED,
  FAILURE_KIND_INTERNAL,
};

enum when_full {
  WHEN_FULL_BLOCK,
  WHEN_FULL_DROP_OLDEST,
};

enum root_lower {
  ROOT_LOWER_SHARE,
  ROOT_LOWER_EROFS,
};

enum root_upper {
  ROOT_UPPER_NONE,
  ROOT_UPPER_TMPFS,
  ROOT_UPPER_DISK,
};

enum mount_kind {
  MOUNT_KIND_SHARE,
  MOUNT_KIND_TMPFS,
  MOUNT_KIND_DISK,
};

enum when_lost {
  WHEN_LOST_END,
  WHEN_LOST_KEEP,
};

enum output_stream {
  OUTPUT_STREAM_STDOUT,
  OUTPUT_STREAM_STDERR,
};

enum signal_target {
  SIGNAL_TARGET_PROCESS,
  SIGNAL_TARGET_GROUP,
  SIGNAL_TARGET_ALL,
};

enum tunnel_protocol {
  TUNNEL_PROTOCOL_TCP,
  TUNNEL_PROTOCOL_UDP,
  TUNNEL_PROTOCOL_UNIX,
};

struct optional_slice {
  bool present;
  struct slice value;
};

struct optional_u32 {
  bool present;
  uint32_t value;
};

struct optional_u64 {
  bool present;
  uint64_t value;
};

struct optional_i32 {
  bool present;
  int32_t value;
};

struct string_pair {
  struct slice first;
  struct slice second;
};

struct run_message {
  struct list argv;  // of strings
  struct list env;  // of struct string_pair
  struct optional_slice cwd;
  uint32_t uid;
  uint32_t gid;
};

struct exec_message {
  struct list argv;  // of strings
  struct list env;  // of struct string_pair
  struct optional_slice cwd;
  struct optional_u32 uid;
  struct optional_u32 gid;
  struct optional_slice user;
};

struct signal_message {
  int32_t signum;
};

struct started_message {
  int32_t pid;
};

struct exited_message {
  int32_t code;
};

struct error_message {
  struct slice message;
};

struct forward_message {
  uint16_t port;
};

struct mount_message {
  struct slice tag;
  struct slice target;
  bool readonly;
};

struct wg_peer {
  struct slice public_key;
  struct slice endpoint;
  struct slice allowed_ips;
  uint64_t persistent_keepalive_secs;
};

struct overlay_config_message {
  struct slice overlay_ip;
  uint8_t prefix_len;
  struct slice private_key;
  uint16_t listen_port;
  struct list peers;  // of struct wg_peer
  struct optional_slice dns_server;
  struct optional_slice dns_domain;
};

struct set_time_message {
  int64_t unix_secs;
};

struct hello_message {
  uint32_t version;
  struct list features;  // of strings
  struct slice software;
};

struct failed_message {
  enum failure_kind kind;
  struct slice message;
};

struct resource_limit {
  struct slice resource;
  struct optional_u64 soft;
  struct optional_u64 hard;
};

struct tty_size {
  uint16_t rows;
  uint16_t columns;
};

struct optional_tty_size {
  bool present;
  struct tty_size value;
};

struct process_spec {
  struct list argv;  // of strings
  struct list env;  // of struct string_pair
  struct optional_slice cwd;
  struct slice user;
  struct list groups;  // of strings
  struct list rlimits;  // of struct resource_limit
  uint64_t capabilities;
  bool no_new_privileges;
  struct optional_tty_size tty;
  bool stdin_;
  uint32_t spool_bytes;
  enum when_full when_full;
};

struct root {
  enum root_lower lower;
  struct slice lower_source;
  enum root_upper upper;
  struct slice upper_source;
  struct optional_u64 upper_bytes;
  bool readonly;
};

struct mount_point {
  enum mount_kind kind;
  struct slice source;
  struct optional_slice subpath;
  struct slice target;
  bool readonly;
  struct optional_u64 bytes;
  struct optional_u32 mode;
};

struct host_entry {
  struct slice name;
  struct slice address;
};

struct names {
  struct optional_slice hostname;
  struct list dns_servers;  // of strings
  struct list dns_search;  // of strings
  struct list dns_options;  // of strings
  struct list hosts;  // of struct host_entry
};

struct limits {
  struct optional_u64 cpu_quota_micros;
  struct optional_u64 memory_bytes;
  struct optional_u64 pids;
};

struct start_message {
  struct process_spec process_spec;
  struct root root;
  struct list mounts;  // of struct mount_point
  struct names names;
  struct limits limits;
  bool init;
  int32_t stop_signal;
};

struct execute_message {
  struct process_spec process_spec;
  enum when_lost when_lost;
};

struct attach_message {
  uint64_t process;
  struct optional_u64 offset;
};

struct process_started_message {
  uint64_t process;
  int32_t pid;
  uint64_t output_offset;
  uint32_t stdin_window;
};

struct output_message {
  enum output_stream stream;
  uint64_t offset;
  uint64_t unix_micros;
  struct slice data;
};

struct output_taken_message {
  uint64_t offset;
};

struct stdin_taken_message {
  uint32_t bytes;
};

struct process_exited_message {
  uint64_t process;
  int32_t code;
  struct optional_i32 signal;
  bool oom_killed;
  uint64_t output_end;
  uint64_t dropped_bytes;
};

struct signal_process_message {
  uint64_t process;
  int32_t signum;
  enum signal_target target;
};

struct resize_message {
  uint64_t process;
  struct tty_size size;
};

struct wait_message {
  uint64_t process;
};

struct process_entry {
  int32_t pid;
  int32_t parent;
  uint32_t uid;
  struct slice state;
  uint64_t cpu_micros;
  uint64_t resident_bytes;
  uint64_t started_unix_micros;
  struct slice command;
};

struct processes_message {
  struct list processes;  // of struct process_entry
};

struct shutdown_message {
  uint32_t grace_millis;
};

struct detach_message {
  uint64_t process;
};

struct io_statistics {
  struct slice device;
  uint64_t read_bytes;
  uint64_t write_bytes;
  uint64_t read_operations;
  uint64_t write_operations;
};

struct network_statistics {
  struct slice interface;
  uint64_t received_bytes;
  uint64_t sent_bytes;
  uint64_t received_packets;
  uint64_t sent_packets;
  uint64_t receive_errors;
  uint64_t send_errors;
  uint64_t receive_drops;
  uint64_t send_drops;
};

struct statistics_message {
  uint64_t unix_micros;
  uint64_t cpu_micros;
  uint64_t cpu_user_micros;
  uint64_t cpu_system_micros;
  struct optional_u64 cpu_throttled_micros;
  uint64_t memory_bytes;
  struct optional_u64 memory_peak_bytes;
  struct optional_u64 memory_cache_bytes;
  struct optional_u64 memory_limit_bytes;
  uint64_t oom_kills;
  uint64_t pids;
  struct optional_u64 pids_limit;
  uint64_t guest_memory_bytes;
  uint64_t guest_memory_available_bytes;
  struct list io;  // of struct io_statistics
  struct list networks;  // of struct network_statistics
};

struct set_clock_message {
  uint64_t unix_micros;
};

struct interface_entry {
  struct slice name;
  struct slice mac;
  struct list addresses;  // of strings
};

struct network_message {
  struct list interfaces;  // of struct interface_entry
  struct optional_slice gateway;
  struct list dns_servers;  // of strings
};

struct pressure_threshold {
  uint32_t stall_micros;
  uint32_t window_micros;
};

struct optional_pressure_threshold {
  bool present;
  struct pressure_threshold value;
};

struct watch_message {
  struct optional_pressure_threshold pressure;
};

struct oom_killed_message {
  uint64_t unix_micros;
  uint64_t kills;
};

struct memory_pressure_message {
  uint64_t unix_micros;
  uint64_t memory_bytes;
};

struct connect_message {
  enum tunnel_protocol protocol;
  struct slice address;
  uint16_t port;
};

struct reset_message {
  struct slice message;
};

struct archive_get_message {
  struct slice path;
};

struct archive_put_message {
  struct slice path;
  bool keep_owners;
  bool replace_folders;
};

struct archive_head_message {
  struct slice path;
};

struct file_info_message {
  struct slice name;
  uint64_t bytes;
  uint32_t mode;
  uint32_t uid;
  uint32_t gid;
  int64_t modified_unix_micros;
  struct optional_slice link_target;
};

struct message {
  uint8_t tag;  // an enum tag: it says which member holds the fields
  union {
    struct slice data;  // Stdout, Stderr, Stdin, Data
    struct run_message run;
    struct exec_message exec;
    struct signal_message signal;
    struct started_message started;
    struct exited_message exited;
    struct error_message error;
    struct forward_message forward;
    struct mount_message mount;
    struct overlay_config_message overlay_config;
    struct set_time_message set_time;
    struct hello_message hello;
    struct failed_message failed;
    struct start_message start;
    struct execute_message execute;
    struct attach_message attach;
    struct process_started_message process_started;
    struct output_message output;
    struct output_taken_message output_taken;
    struct stdin_taken_message stdin_taken;
    struct process_exited_message process_exited;
    struct signal_process_message signal_process;
    struct resize_message resize;
    struct wait_message wait;
    struct processes_message processes;
    struct shutdown_message shutdown;
    struct detach_message detach;
    struct statistics_message statistics;
    struct set_clock_message set_clock;
    struct network_message network;
    struct overlay_config_message configure_overlay;
    struct watch_message watch;
    struct oom_killed_message oom_killed;
    struct memory_pressure_message memory_pressure;
    struct connect_message connect;
    struct reset_message reset;
    struct archive_get_message archive_get;
    struct archive_put_message archive_put;
    struct archive_head_message archive_head;
    struct file_info_message file_info;
  };
};

// Any element of a list: how much room one can take.
union any_element {
  struct slice string;
  struct string_pair string_pair;
  struct wg_peer wg_peer;
  struct resource_limit resource_limit;
  struct mount_point mount_point;
  struct host_entry host_entry;
  struct process_entry process_entry;
  struct io_statistics io_statistics;
  struct network_statistics network_statistics;
  struct interface_entry interface_entry;
};

// Decodes the part of a frame behind its length: tag and payload. Null when it worked, or what is wrong with it.
const char *message_decode(const uint8_t *body, size_t length, struct message *message);

// Appends the whole frame. Bytes of a string that are not UTF-8 become question marks. False when memory is short, when
// the frame would be too large, or a number or enum is out of range; nothing is appended then.
bool message_encode(struct bytes *out, const struct message *message);

// The same for a message whose last field are bytes that follow elsewhere, so that they need not be copied: it is empty
// in `message`, and `data_length` is how many there are, less than 16 MiB with all the rest.
bool message_encode_head(struct bytes *out, const struct message *message, size_t data_length);

// The protocol's name of a tag, or null for an unknown one.
const char *message_name(uint8_t tag);

// Whether a host may send it to an agent: look before decoding.
bool message_is_for_guest(uint8_t tag);

// The next element of a list from the host; false at its end.
bool string_next(struct reader *in, struct slice *string);
bool string_pair_next(struct reader *in, struct string_pair *element);
bool wg_peer_next(struct reader *in, struct wg_peer *element);
bool resource_limit_next(struct reader *in, struct resource_limit *element);
bool mount_point_next(struct reader *in, struct mount_point *element);
bool host_entry_next(struct reader *in, struct host_entry *element);

// Adds an element to a list for the host; false when memory is short, or a number or enum is out of range.
bool string_add(struct list_maker *list, struct slice string);
bool process_entry_add(struct list_maker *list, const struct process_entry *element);
bool io_statistics_add(struct list_maker *list, const struct io_statistics *element);
bool network_statistics_add(struct list_maker *list, const struct network_statistics *element);
bool interface_entry_add(struct list_maker *list, const struct interface_entry *element);

#endif
