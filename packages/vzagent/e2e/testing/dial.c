// Tries to reach vsock ports from inside a guest.
//
//   dial               as a container's program: to every CID that could be the guest or the host
//   as /init           runs the agent (/vzagent) in its own place, beside a child that no filter and no container holds
//
// Prints one line for each kind of result, as "CID PORT RESULT", and "dialled" at the end.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

enum { AGENT_PORT = 1024, OWN_CID = 3, OWN_PORT = 4000, TIMEOUT_SECONDS = 5 };

// Hello of version 1, without features and software.
static const unsigned char hello[] = {5, 0, 0, 0, 32, 32, 1, 0, 0};

static const char *name_of(int error) {
  static char number[16];
  switch (error) {
    case EAFNOSUPPORT: return "EAFNOSUPPORT";
    case EADDRNOTAVAIL: return "EADDRNOTAVAIL";
    case ECONNABORTED: return "closed";
    case ECONNRESET: return "refused";
    default: snprintf(number, sizeof number, "E%d", error); return number;
  }
}

static struct sockaddr_vm at(unsigned cid, unsigned port) {
  return (struct sockaddr_vm){.svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port};
}

// 0 when somebody answered, ECONNABORTED when the connection was taken and closed without a byte, else why not.
static int dial(unsigned cid, unsigned port, unsigned from) {
  struct sockaddr_vm there = at(cid, port), here = at(from, VMADDR_PORT_ANY);
  struct timeval limit = {.tv_sec = TIMEOUT_SECONDS};
  char answer;
  int fd = socket(AF_VSOCK, SOCK_STREAM, 0), error = 0;
  if (fd < 0) return errno;
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &limit, sizeof limit);
  if (from != VMADDR_CID_ANY && bind(fd, (struct sockaddr *)&here, sizeof here) != 0) error = errno;
  if (error == 0 && connect(fd, (struct sockaddr *)&there, sizeof there) != 0) error = errno;
  if (error == 0) {
    send(fd, hello, sizeof hello, MSG_NOSIGNAL);
    ssize_t got = recv(fd, &answer, 1, 0);
    if (got < 0 && errno != ECONNRESET) error = errno;
    if (got == 0 || (got < 0 && errno == ECONNRESET)) error = ECONNABORTED;
  }
  close(fd);
  return error;
}

// Says what differs from the port before.
static void dial_range(const char *how, unsigned cid, unsigned first, unsigned last, unsigned from) {
  int before = -1;
  for (unsigned port = first; port <= last; port++) {
    int result = dial(cid, port, from);
    if (result != before) printf("%s %u %u %s\n", how, cid, port, result == 0 ? "answered" : name_of(result));
    before = result;
  }
  fflush(stdout);
}

// That the loopback works at all: a server of one's own is reached.
static void check_loopback(void) {
  struct sockaddr_vm here = at(VMADDR_CID_ANY, OWN_PORT);
  int listener = socket(AF_VSOCK, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr *)&here, sizeof here) != 0 || listen(listener, 8) != 0) perror("listen");
  if (fork() == 0) {
    for (int i = 0; i < 2; i++) {
      int fd = accept(listener, NULL, NULL);
      if (write(fd, "x", 1) != 1) perror("write");
      close(fd);
    }
    _exit(0);
  }
  close(listener);
  dial_range("own", VMADDR_CID_LOCAL, OWN_PORT, OWN_PORT, VMADDR_CID_ANY);
  dial_range("own", OWN_CID, OWN_PORT, OWN_PORT, VMADDR_CID_ANY);
}

// Beside the agent: loads the loopback once the agent has loaded what it needs.
static void beside_agent(void) {
  int module = open("/vsock_loopback.ko", O_RDONLY), loaded = -1;
  for (int attempt = 0; attempt < 300 && loaded != 0; attempt++) {
    usleep(100000);
    loaded = (int)syscall(SYS_finit_module, module, "", 0);
  }
  printf("loopback %s\n", loaded == 0 ? "loaded" : name_of(errno));
  usleep(500000);
  check_loopback();
  static const unsigned cids[] = {VMADDR_CID_LOCAL, OWN_CID};
  for (int i = 0; i < 2; i++) {
    dial_range("any", cids[i], 1, 65535, VMADDR_CID_ANY);
    dial_range("as-host", cids[i], AGENT_PORT, AGENT_PORT, VMADDR_CID_HOST);
    dial_range("as-local", cids[i], AGENT_PORT, AGENT_PORT, VMADDR_CID_LOCAL);
  }
  printf("dialled\n");
  fflush(stdout);
}

int main(void) {
  if (getpid() == 1) {
    if (fork() == 0) {
      beside_agent();
      return 0;
    }
    execl("/vzagent", "/init", (char *)NULL);
    return 1;
  }
  static const unsigned cids[] = {0, VMADDR_CID_LOCAL, VMADDR_CID_HOST, OWN_CID, VMADDR_CID_ANY};
  for (unsigned i = 0; i < sizeof cids / sizeof cids[0]; i++) {
    dial_range("any", cids[i], 1, 2048, VMADDR_CID_ANY);
    dial_range("as-host", cids[i], AGENT_PORT, AGENT_PORT, VMADDR_CID_HOST);
  }
  printf("dialled\n");
  return 0;
}
