#include "start_report.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct packet {
  enum start_kind kind;
  pid_t pid;
  struct fault failure;
};

union control {
  struct cmsghdr aligned;
  char space[CMSG_SPACE(sizeof(int))];
};

bool start_pair(int ends[2]) { return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0; }

static int descriptor_in(struct msghdr *message) {
  struct cmsghdr *part = CMSG_FIRSTHDR(message);
  int fd = -1;
  if (part != NULL && part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS) {
    memcpy(&fd, CMSG_DATA(part), sizeof fd);
  }
  return fd;
}

void start_receive(int end, struct start_report *report) {
  struct packet packet = {0};
  union control control;
  struct iovec part = {.iov_base = &packet, .iov_len = sizeof packet};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space};
  *report = (struct start_report){.kind = START_NOTHING_YET, .fd = -1};
  ssize_t got = recvmsg(end, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  report->kind = got == (ssize_t)sizeof packet ? packet.kind : START_END;
  if (got <= 0) return;
  report->fd = descriptor_in(&message);
  report->pid = packet.pid;
  report->failure = packet.failure;
  report->failure.text[sizeof report->failure.text - 1] = '\0';
}

void start_answer(int end, pid_t number) { send(end, &number, sizeof number, MSG_NOSIGNAL | MSG_DONTWAIT); }

static void tell(int end, const struct packet *packet, int fd) {
  union control control = {0};
  struct iovec part = {.iov_base = (void *)packet, .iov_len = sizeof *packet};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (fd >= 0) {
    message.msg_control = control.space;
    message.msg_controllen = sizeof control.space;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  if (sendmsg(end, &message, MSG_NOSIGNAL) != (ssize_t)sizeof *packet) _exit(1);
}

void start_tell(int end, enum start_kind kind) { tell(end, &(struct packet){.kind = kind, .pid = getpid()}, -1); }

void start_tell_terminal(int end, int master) { tell(end, &(struct packet){.kind = START_TERMINAL}, master); }

pid_t start_wait(int end) {
  pid_t number;
  if (recv(end, &number, sizeof number, 0) != (ssize_t)sizeof number) _exit(1);
  return number;
}

void start_fail(int end, const struct fault *failure) {
  tell(end, &(struct packet){.kind = START_FAILURE, .failure = *failure}, -1);
  _exit(1);
}
