// The guest's PID 1: boots what the kernel left to do, then serves the host.
#include "boot_failure.h"
#include "children.h"
#include "clock.h"
#include "cmdline.h"
#include "connection.h"
#include "files.h"
#include "forget.h"
#include "listener.h"
#include "log.h"
#include "loop.h"
#include "modules.h"
#include "mounts.h"
#include "names.h"
#include "network.h"
#include "root.h"
#include "rosetta.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <unistd.h>

// Tables of pointers that only the start had to write, on pages of their own: build/agent.ld. The loader of a dynamic
// program protects them itself.
extern const char sealed_tables[], sealed_tables_end[];

static void seal_tables(void) {
  uintptr_t page = getauxval(AT_PAGESZ), start = (uintptr_t)sealed_tables & -page;
  if (mprotect((void *)start, (uintptr_t)sealed_tables_end - start, PROT_READ) != 0) log_line("pointer tables: %m");
}

static struct cmdline cmdline;

static void read_cmdline(void) {
  char *text = file_read("/proc/cmdline", NULL);
  if (text == NULL) log_fatal("/proc/cmdline: %m");
  cmdline_parse(text, &cmdline);
  free(text);
}

static void protect_agent(void) {
  struct rlimit files = {.rlim_cur = 65536, .rlim_max = 1048576};
  if (!file_write("/proc/self/oom_score_adj", "-1000")) log_line("oom_score_adj: %m");
  if (prlimit(0, RLIMIT_NOFILE, &files, NULL) != 0) log_line("RLIMIT_NOFILE: %m");
  // Until a program takes their place, copies of the agent in a container are nobody's to look into.
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) log_line("PR_SET_DUMPABLE: %m");
  reboot(RB_DISABLE_CAD);
}

// Until here nothing can be asked of the guest. The host may connect now; it is greeted at once, and what it asks for is
// answered when the rest is done.
static void become_reachable(void) {
  if (!loop_open()) log_fatal("event loop: %m");
  modules_load("/lib/modules/modules.load");
  if (cmdline.channel[0] != '\0') {
    modules_load("/lib/modules/modules.late");  // the device's driver is one of them
  } else if (!modules_drive("vmw_vsock_virtio_transport")) {
    // The kernel lets anybody listen without a device, and nobody would ever call.
    log_fatal("there is no virtio-vsock device with a driver");
  }
  if (!listener_open(cmdline.channel)) log_fatal("cannot listen at vsock port %d: %m", AGENT_PORT);
  if (cmdline.ready_port == 0) return;
  boot_failure_tell(cmdline.ready_port);
  listener_announce(cmdline.ready_port);
}

// Never on another processor meanwhile: emulated ones have hung when modules were loaded beside the agent.
static void greet(void) {
  while (loop_step(0)) continue;
}

// When all modules are there.
static void finish_boot(void) {
  network_prepare();
  network_open(!cmdline.no_dhcp);
  const struct fault *failed = cmdline.rootfs_tag[0] == '\0' ? NULL : root_boot(cmdline.rootfs_tag);
  if (failed != NULL) log_fatal("%s", failed->text);
  rosetta_register();
  if (cmdline.files != 0) forget_beyond(cmdline.files);
  connections_serve();
}

int main(void) {
  if (getpid() != 1) {
    log_line("this is the PID 1 of a zlayer guest; there is nothing to do for it here");
    return 1;
  }
  seal_tables();
  mounts_own_root();
  mounts_first();
  read_cmdline();
  become_reachable();

  if (cmdline.boot_time != 0 && !clock_set_from_launch(cmdline.boot_time)) log_line("clock: %m");
  protect_agent();
  if (!children_watch() || !listener_serve()) log_fatal("event loop: %m");
  connections_only_greet();
  if (cmdline.channel[0] == '\0') modules_load_between("/lib/modules/modules.late", greet);
  mounts_rest();
  if (!names_open()) log_fatal("resolv.conf, hosts and hostname: %m");
  greet();
  finish_boot();
  loop_run();
}
