#include "archive.h"

#include "archive_work.h"
#include "container.h"
#include "files.h"
#include "launch.h"
#include "spec.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { MOST_AT_ONCE = 64, READS_IN_A_ROW = 8, CHANNEL_FD = 3 };

enum archive_kind { ARCHIVE_HEAD, ARCHIVE_GET, ARCHIVE_PUT };

struct task {
  enum archive_kind kind;
  char path[PATH_MAX];
  bool keep_owners;
  bool replace_folders;
};

struct archive {
  struct source source;  // the worker
  struct connection *connection;
  enum archive_kind kind;
  struct bytes waiting;  // for the worker
  bool host_ended;
  bool end_written;
  bool failed;           // told already; what the host still sends means nothing
};

static int at_once;

static noreturn void work(int fd, int namespace, const struct task *task) {
  static struct channel channel;
  channel.fd = CHANNEL_FD;
  // Not the agent's own protection from the machine's lack of memory.
  file_write("/proc/self/oom_score_adj", "0");
  bool entered = setns(namespace, CLONE_NEWNS) == 0;
  const struct fault *failed = NULL;
  if (!entered) failed = fault(FAILURE_KIND_INTERNAL, "cannot enter the container: %m");
  if (dup3(fd, CHANNEL_FD, O_CLOEXEC) != CHANNEL_FD || syscall(SYS_close_range, CHANNEL_FD + 1, ~0U, 0) != 0) _exit(1);
  int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (failed == NULL) {
    switch (task->kind) {
      case ARCHIVE_HEAD: failed = work_head(&channel, root, task->path); break;
      case ARCHIVE_GET: failed = work_get(&channel, root, task->path); break;
      case ARCHIVE_PUT:
        failed = work_put(&channel, root, task->path, task->keep_owners, task->replace_folders);
        break;
    }
  }
  if (failed != NULL) {
    channel_flush(&channel);
    channel_send(&channel, CHANNEL_IS_FAULT, failed, sizeof *failed);
  } else {
    channel_send(&channel, CHANNEL_IS_END, NULL, 0);
  }
  _exit(0);
}

static void destroy(struct archive *archive) {
  archive->connection->role = NULL;
  archive->connection->owner = NULL;
  loop_close(&archive->source);
  bytes_free(&archive->waiting);
  free(archive);
  at_once--;
}

static void update_interest(struct archive *archive) {
  uint32_t interest = connection_is_full(archive->connection) ? 0 : EPOLLIN;
  if (bytes_length(&archive->waiting) > 0 || archive->host_ended != archive->end_written) interest |= EPOLLOUT;
  loop_want(&archive->source, interest);
}

// The worker's last word has been passed on.
static void end(struct archive *archive) {
  struct connection *connection = archive->connection;
  destroy(archive);
  connection_resume(connection);
}

static void fail(struct archive *archive, const struct fault *reason) {
  struct connection *connection = archive->connection;
  connection_send_fault(connection, reason);
  if (archive->kind != ARCHIVE_PUT || archive->host_ended) return end(archive);
  archive->failed = true;
  loop_close(&archive->source);
  bytes_free(&archive->waiting);
  connection_resume(connection);
}

static void send_info(struct archive *archive, const struct channel_info *info) {
  struct message message = {.tag = TAG_FILE_INFO};
  message.file_info = (struct file_info_message){
      .name = text_slice(info->name),
      .bytes = (uint64_t)info->stat.st_size,
      .mode = info->stat.st_mode,
      .uid = info->stat.st_uid,
      .gid = info->stat.st_gid,
      .modified_unix_micros = (int64_t)info->stat.st_mtim.tv_sec * 1000000 + info->stat.st_mtim.tv_nsec / 1000,
      .link_target = {.present = info->is_link, .value = text_slice(info->target)},
  };
  connection_send(archive->connection, &message);
}

// False when the archive is done with.
static bool take_packet(struct archive *archive, const uint8_t *packet, size_t length) {
  switch (packet[0]) {
    case CHANNEL_IS_INFO: send_info(archive, (const struct channel_info *)(packet + 1)); return true;
    case CHANNEL_IS_DATA: {
      struct slice data = {.data = packet + 1, .length = length - 1};
      connection_send_data(archive->connection, &(struct message){.tag = TAG_DATA}, data);
      return true;
    }
    case CHANNEL_IS_END:
      if (archive->kind == ARCHIVE_GET) connection_send(archive->connection, &(struct message){.tag = TAG_END});
      if (archive->kind == ARCHIVE_PUT) connection_send_done(archive->connection);
      end(archive);
      return false;
    default: fail(archive, (const struct fault *)(packet + 1)); return false;
  }
}

// False when the worker reads no more: its last word says why.
static bool send_packet(struct archive *archive, char kind, const void *data, size_t size) {
  struct iovec parts[] = {{.iov_base = &kind, .iov_len = 1}, {.iov_base = (void *)(uintptr_t)data, .iov_len = size}};
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
  return sendmsg(archive->source.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

// Whether everything has been written. The host's end is not taken before that is so.
static bool write_waiting(struct archive *archive) {
  while (bytes_length(&archive->waiting) > 0) {
    size_t length = bytes_length(&archive->waiting), part = length < CHANNEL_DATA ? length : CHANNEL_DATA;
    if (!send_packet(archive, CHANNEL_IS_DATA, bytes_head(&archive->waiting), part)) {
      if (errno == EAGAIN) return false;
      part = length;
    }
    bytes_consume(&archive->waiting, part);
  }
  if (archive->host_ended && !archive->end_written) {
    archive->end_written = send_packet(archive, CHANNEL_IS_END, NULL, 0) || errno != EAGAIN;
  }
  return true;
}

static void ready(struct source *source, uint32_t events) {
  _Alignas(8) static uint8_t buffer[8 + sizeof(struct channel_info) + CHANNEL_PACKET];
  // What follows the letter lies as a struct has to.
  uint8_t *packet = buffer + 7;
  struct archive *archive = (struct archive *)source;
  if ((events & EPOLLOUT) != 0 && write_waiting(archive)) {
    update_interest(archive);
    // What comes next may end the archive; the rest of this event is then nobody's.
    return connection_resume(archive->connection);
  }
  for (int i = 0; i < READS_IN_A_ROW && !connection_is_full(archive->connection); i++) {
    ssize_t got = recv(source->fd, packet, sizeof buffer - 7, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) break;
    // A worker that has ended without reading all: said once, before the packets that it had sent.
    if (got < 0 && errno == ECONNRESET) continue;
    if (got <= 0) return fail(archive, fault(FAILURE_KIND_INTERNAL, "the process that works on the archive has ended"));
    if (!take_packet(archive, packet, (size_t)got)) return;
  }
  update_interest(archive);
}

static bool take(struct connection *connection, const struct message *message) {
  struct archive *archive = connection->owner;
  if (archive->kind != ARCHIVE_PUT || archive->host_ended) return false;
  if (message->tag == TAG_RESET) {
    destroy(archive);
    connection_finish(connection);
    return true;
  }
  if (message->tag != TAG_DATA && message->tag != TAG_END) return false;
  if (archive->failed) {
    if (message->tag == TAG_END) destroy(archive);
    return true;
  }
  if (message->tag == TAG_END) {
    archive->host_ended = true;
    write_waiting(archive);
    update_interest(archive);
  } else if (message->data.length > 0) {
    if (!bytes_append(&archive->waiting, message->data.data, message->data.length)) {
      fail(archive, fault(FAILURE_KIND_EXHAUSTED, "out of memory"));
    } else if (!write_waiting(archive)) {
      connection_hold(connection);
    }
    if (!archive->failed) update_interest(archive);
  }
  return true;
}

static void caught_up(struct connection *connection) {
  struct archive *archive = connection->owner;
  if (!archive->failed) update_interest(archive);
}

// The worker ends at its next packet.
static void lost(struct connection *connection) { destroy(connection->owner); }

static const struct connection_role role = {.take = take, .caught_up = caught_up, .lost = lost};

static const struct fault *start_worker(struct archive *archive, const struct task *task) {
  int ends[2], namespace = container_mount_namespace();
  if (namespace < 0) return fault(FAILURE_KIND_CONFLICT, "no container has been started");
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return fault_errno("cannot make a socket");
  }
  pid_t worker = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
  if (worker == 0) work(ends[1], namespace, task);
  int error = errno;
  close(ends[1]);
  if (worker > 0 && loop_add(&archive->source, ends[0], EPOLLIN, ready)) return NULL;
  close(ends[0]);
  archive->source.fd = -1;
  return fault(failure_kind_of(error), "cannot make a process: %s", strerror(error));
}

static void begin(struct connection *connection, struct task *task, struct slice path) {
  if (connection->role != NULL) {
    return connection_send_fault(connection, fault(FAILURE_KIND_CONFLICT, "this connection has a part already"));
  }
  if (path.length == 0 || path.length >= sizeof task->path || !slice_is_text(path)) {
    return connection_send_fault(connection, fault(FAILURE_KIND_INVALID,
                                                   "the path is empty, too long, or has a NUL byte"));
  }
  memcpy(task->path, path.data, path.length);
  task->path[path.length] = '\0';
  struct archive *archive = at_once == MOST_AT_ONCE ? NULL : calloc(1, sizeof *archive);
  if (archive == NULL) {
    return connection_send_fault(connection, fault(FAILURE_KIND_EXHAUSTED, "too many archives at once"));
  }
  at_once++;
  archive->connection = connection;
  archive->kind = task->kind;
  archive->source.fd = -1;
  connection->role = &role;
  connection->owner = archive;
  const struct fault *failed = start_worker(archive, task);
  if (failed == NULL) return;
  connection_send_fault(connection, failed);
  destroy(archive);
}

void archive_head(struct connection *connection, struct slice path) {
  struct task task = {.kind = ARCHIVE_HEAD};
  begin(connection, &task, path);
}

void archive_get(struct connection *connection, struct slice path) {
  struct task task = {.kind = ARCHIVE_GET};
  begin(connection, &task, path);
}

void archive_put(struct connection *connection, const struct archive_put_message *message) {
  struct task task = {
      .kind = ARCHIVE_PUT, .keep_owners = message->keep_owners, .replace_folders = message->replace_folders};
  begin(connection, &task, message->path);
}
