#include "message.h"

#include "frame.h"

static const char *const names[] = {
    [TAG_RUN] = "Run",         [TAG_EXEC] = "Exec",       [TAG_SIGNAL] = "Signal",
    [TAG_STDOUT] = "Stdout",   [TAG_STDERR] = "Stderr",   [TAG_STARTED] = "Started",
    [TAG_EXITED] = "Exited",   [TAG_ERROR] = "Error",     [TAG_FORWARD] = "Forward",
    [TAG_MOUNT] = "Mount",     [TAG_STDIN] = "Stdin",     [TAG_STDIN_EOF] = "StdinEof",
    [TAG_OVERLAY_CONFIG] = "OverlayConfig",               [TAG_SET_TIME] = "SetTime",
};

const char *message_name(uint8_t tag) { return tag < sizeof names / sizeof names[0] ? names[tag] : NULL; }

static bool read_i32(struct reader *in, int32_t *value) {
  int64_t wide;
  if (!read_zigzag(in, 32, &wide)) return false;
  *value = (int32_t)wide;
  return true;
}

static bool read_u32(struct reader *in, uint32_t *value) {
  uint64_t wide;
  if (!read_varint(in, 32, &wide)) return false;
  *value = (uint32_t)wide;
  return true;
}

static bool read_u16(struct reader *in, uint16_t *value) {
  uint64_t wide;
  if (!read_varint(in, 16, &wide)) return false;
  *value = (uint16_t)wide;
  return true;
}

static bool read_optional_string(struct reader *in, struct optional_slice *value) {
  *value = (struct optional_slice){0};
  return read_bool(in, &value->present) && (!value->present || read_string(in, &value->value));
}

static bool read_optional_u32(struct reader *in, struct optional_u32 *value) {
  *value = (struct optional_u32){0};
  return read_bool(in, &value->present) && (!value->present || read_u32(in, &value->value));
}

static bool skip_string(struct reader *in) {
  struct slice ignored;
  return read_string(in, &ignored);
}

static bool skip_pair(struct reader *in) { return skip_string(in) && skip_string(in); }

static bool skip_peer(struct reader *in) {
  uint64_t keepalive;
  return skip_string(in) && skip_string(in) && skip_string(in) && read_varint(in, 64, &keepalive);
}

// Every element takes at least one byte, so a count that lies ends with the input.
static bool read_list(struct reader *in, bool (*skip)(struct reader *), struct list *list) {
  if (!read_varint(in, 64, &list->count)) return false;
  list->encoded.data = in->at;
  for (uint64_t i = 0; i < list->count; i++) {
    if (!skip(in)) return false;
  }
  list->encoded.length = (size_t)(in->at - list->encoded.data);
  return true;
}

static bool read_run(struct reader *in, struct run_message *run) {
  return read_list(in, skip_string, &run->argv) && read_list(in, skip_pair, &run->env) &&
         read_optional_string(in, &run->cwd) && read_u32(in, &run->uid) && read_u32(in, &run->gid);
}

static bool read_exec(struct reader *in, struct exec_message *exec) {
  return read_list(in, skip_string, &exec->argv) && read_list(in, skip_pair, &exec->env) &&
         read_optional_string(in, &exec->cwd) && read_optional_u32(in, &exec->uid) &&
         read_optional_u32(in, &exec->gid) && read_optional_string(in, &exec->user);
}

static bool read_mount(struct reader *in, struct mount_message *mount) {
  return read_string(in, &mount->tag) && read_string(in, &mount->target) && read_bool(in, &mount->readonly);
}

static bool read_overlay(struct reader *in, struct overlay_message *overlay) {
  return read_string(in, &overlay->ip) && read_u8(in, &overlay->prefix_length) &&
         read_string(in, &overlay->private_key) && read_u16(in, &overlay->listen_port) &&
         read_list(in, skip_peer, &overlay->peers) && read_optional_string(in, &overlay->dns_server) &&
         read_optional_string(in, &overlay->dns_domain);
}

static bool read_fields(struct reader *in, struct message *message) {
  switch (message->tag) {
    case TAG_RUN: return read_run(in, &message->run);
    case TAG_EXEC: return read_exec(in, &message->exec);
    case TAG_SIGNAL: return read_i32(in, &message->signum);
    case TAG_STDOUT:
    case TAG_STDERR:
    case TAG_STDIN: return read_slice(in, &message->data);
    case TAG_STARTED: return read_i32(in, &message->pid);
    case TAG_EXITED: return read_i32(in, &message->code);
    case TAG_ERROR: return read_string(in, &message->data);
    case TAG_FORWARD: return read_u16(in, &message->port);
    case TAG_MOUNT: return read_mount(in, &message->mount);
    case TAG_STDIN_EOF: return true;
    case TAG_OVERLAY_CONFIG: return read_overlay(in, &message->overlay);
    case TAG_SET_TIME: return read_zigzag(in, 64, &message->unix_secs);
    default: return false;
  }
}

const char *message_decode(const uint8_t *body, size_t length, struct message *message) {
  struct reader in = {.at = body, .end = body + length};
  *message = (struct message){0};
  if (!read_u8(&in, &message->tag)) return "empty frame";
  if (message_name(message->tag) == NULL) return "unknown tag";
  uint64_t discriminant;
  if (!read_varint(&in, 32, &discriminant)) return "the payload ends early or has a field out of range";
  if (discriminant != message->tag - 1u) return "the payload's discriminant disagrees with the tag";
  if (!read_fields(&in, message)) return "the payload ends early or has a field out of range";
  return in.at == in.end ? NULL : "bytes are left over behind the payload";
}

static bool write_optional_slice(struct bytes *out, struct optional_slice value) {
  return write_u8(out, value.present) && (!value.present || write_slice(out, value.value));
}

static bool write_optional_u32(struct bytes *out, struct optional_u32 value) {
  return write_u8(out, value.present) && (!value.present || write_varint(out, value.value));
}

static bool write_list(struct bytes *out, struct list list) {
  return write_varint(out, list.count) && bytes_append(out, list.encoded.data, list.encoded.length);
}

static bool write_run(struct bytes *out, const struct run_message *run) {
  return write_list(out, run->argv) && write_list(out, run->env) && write_optional_slice(out, run->cwd) &&
         write_varint(out, run->uid) && write_varint(out, run->gid);
}

static bool write_exec(struct bytes *out, const struct exec_message *exec) {
  return write_list(out, exec->argv) && write_list(out, exec->env) && write_optional_slice(out, exec->cwd) &&
         write_optional_u32(out, exec->uid) && write_optional_u32(out, exec->gid) &&
         write_optional_slice(out, exec->user);
}

static bool write_mount(struct bytes *out, const struct mount_message *mount) {
  return write_slice(out, mount->tag) && write_slice(out, mount->target) && write_u8(out, mount->readonly);
}

static bool write_overlay(struct bytes *out, const struct overlay_message *overlay) {
  return write_slice(out, overlay->ip) && write_u8(out, overlay->prefix_length) &&
         write_slice(out, overlay->private_key) && write_varint(out, overlay->listen_port) &&
         write_list(out, overlay->peers) && write_optional_slice(out, overlay->dns_server) &&
         write_optional_slice(out, overlay->dns_domain);
}

static bool write_fields(struct bytes *out, const struct message *message) {
  switch (message->tag) {
    case TAG_RUN: return write_run(out, &message->run);
    case TAG_EXEC: return write_exec(out, &message->exec);
    case TAG_SIGNAL: return write_zigzag(out, message->signum);
    case TAG_STDOUT:
    case TAG_STDERR:
    case TAG_STDIN:
    case TAG_ERROR: return write_slice(out, message->data);
    case TAG_STARTED: return write_zigzag(out, message->pid);
    case TAG_EXITED: return write_zigzag(out, message->code);
    case TAG_FORWARD: return write_varint(out, message->port);
    case TAG_MOUNT: return write_mount(out, &message->mount);
    case TAG_STDIN_EOF: return true;
    case TAG_OVERLAY_CONFIG: return write_overlay(out, &message->overlay);
    case TAG_SET_TIME: return write_zigzag(out, message->unix_secs);
    default: return false;
  }
}

bool message_encode(struct bytes *out, const struct message *message) {
  size_t before = bytes_length(out);
  if (frame_begin(out) && write_u8(out, message->tag) && write_varint(out, message->tag - 1u) &&
      write_fields(out, message)) {
    frame_end(out, before);
    return true;
  }
  out->end = out->start + before;
  return false;
}
