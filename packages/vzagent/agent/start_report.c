#include "start_report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char identity = 'I', failure = 'F';

bool start_pair(int ends[2]) {
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return false;
  int on = 1;
  return setsockopt(ends[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0;
}

static pid_t sender_of(struct msghdr *message) {
  for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL; part = CMSG_NXTHDR(message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_CREDENTIALS) continue;
    struct ucred credentials;
    memcpy(&credentials, CMSG_DATA(part), sizeof credentials);
    return credentials.pid;
  }
  return 0;
}

void start_receive(int end, struct start_report *report) {
  char kind = 0;
  union {
    struct cmsghdr aligned;
    char space[CMSG_SPACE(sizeof(struct ucred))];
  } control;
  struct iovec parts[] = {{.iov_base = &kind, .iov_len = 1},
                          {.iov_base = report->text, .iov_len = sizeof report->text - 1}};
  struct msghdr message = {
      .msg_iov = parts, .msg_iovlen = 2, .msg_control = control.space, .msg_controllen = sizeof control.space};
  *report = (struct start_report){.kind = START_NOTHING_YET};
  ssize_t got = recvmsg(end, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    report->kind = START_END;
  } else if (kind == identity) {
    report->kind = START_IDENTITY;
    report->pid = sender_of(&message);
  } else if (kind == failure) {
    report->kind = START_FAILURE;
    report->text[got - 1] = '\0';
  }
}

void start_go_on(int end) { send(end, &identity, 1, MSG_NOSIGNAL | MSG_DONTWAIT); }

void start_identify(int end) {
  char answer;
  if (send(end, &identity, 1, MSG_NOSIGNAL) != 1 || recv(end, &answer, 1, 0) != 1) _exit(1);
}

void start_fail(int end, const char *format, ...) {
  char text[START_TEXT];
  text[0] = failure;
  va_list values;
  va_start(values, format);
  int length = vsnprintf(text + 1, sizeof text - 1, format, values);
  va_end(values);
  if (length < 0) length = 0;
  if ((size_t)length > sizeof text - 2) length = sizeof text - 2;
  send(end, text, (size_t)length + 1, MSG_NOSIGNAL);
  _exit(1);
}
