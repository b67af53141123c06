/* The bridge of vz-host alone, over a guest that is a Unix socket: bridge-check BRIDGE GUEST. Ends with standard input. */
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <deque>

#include "host_c.h"
#include "vsock_bridge.h"

int main(int count, char **arguments) {
  if (count != 3) return 2;
  sockaddr_un guest = socket_address(arguments[2]);
  std::deque<std::function<void()>> later;
  VsockBridge bridge(arguments[1], [&](uint32_t, std::function<void(int)> done) {
    int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(descriptor, (const sockaddr *)&guest, sizeof guest) != 0) {
      close(descriptor);
      descriptor = -1;
    }
    later.push_back([done, descriptor] { done(descriptor); });
  });
  bridge.open();
  signal(SIGPIPE, SIG_IGN);
  puts("ready");
  fflush(stdout);
  for (std::vector<pollfd> slots;;) {
    slots.assign(1, {STDIN_FILENO, POLLIN, 0});
    bridge.beforePoll(slots);
    if (poll(slots.data(), (nfds_t)slots.size(), -1) < 0) continue;
    if (slots[0].revents != 0) return 0;
    bridge.afterPoll(slots);
    for (; !later.empty(); later.pop_front()) later.front()();
  }
}
