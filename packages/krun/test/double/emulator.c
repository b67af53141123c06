#include "emulator.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vsock_ports.h"

enum { MAX_ARGUMENTS = 512, FIRST_DESCRIPTOR = 100 };

static const char VIRTIOFSD[] = "/usr/lib/qemu/virtiofsd";
static const char VSOCK_DEVICE[] = "/usr/bin/vhost-device-vsock";

struct arguments {
  char *list[MAX_ARGUMENTS];
  size_t count;
};

__attribute__((format(printf, 2, 3))) static void add(struct arguments *arguments, const char *format, ...) {
  va_list list;
  va_start(list, format);
  if (vasprintf(&arguments->list[arguments->count++], format, list) < 0) abort();
  va_end(list);
}

static void add_all(struct arguments *arguments, const char *const *words) {
  for (; *words != NULL; words++) add(arguments, "%s", *words);
}

#define ADD(arguments, ...) add_all(arguments, (const char *const[]){__VA_ARGS__, NULL})

/* It ends with this process. */
static pid_t start(const struct arguments *arguments) {
  pid_t parent = getpid(), child = fork();
  if (child != 0) return child;
  signal(SIGPIPE, SIG_DFL);
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) _exit(1);
  execv(arguments->list[0], arguments->list);
  fprintf(stderr, "libkrun double: %s: %s\n", arguments->list[0], strerror(errno));
  _exit(1);
}

/* A comma in a value is written twice. */
static const char *quoted(const char *value) {
  char *made = calloc(2, strlen(value) + 1), *at = made;
  if (made == NULL) abort();
  for (; *value != '\0'; value++) {
    if (*value == ',') *at++ = ',';
    *at++ = *value;
  }
  return made;
}

static int listen_at(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 1) != 0) return -1;
  return listener;
}

/* Where this machine's own sockets lie: beside those of its ports. */
static void place(const struct machine *machine, char *path, size_t capacity, const char *name, size_t number) {
  const char *port = machine->port_count == 0 ? "/tmp/krun" : machine->ports[0].path;
  snprintf(path, capacity, "%.*s/double-%s%zu", (int)(strrchr(port, '/') - port), port, name, number);
}

/* Nothing of it is confined to the folder: libkrun's is not, either. */
static bool serve_share(const struct machine *machine, struct arguments *qemu, const char *tag, const char *path,
                        size_t number) {
  char socket[256];
  place(machine, socket, sizeof socket, "fs", number);
  int listener = listen_at(socket);
  if (listener < 0) return false;
  struct arguments server = {.count = 0};
  ADD(&server, VIRTIOFSD, "-o", "sandbox=chroot", "-o", "cache=auto", "-o");
  char *escaped = calloc(2, strlen(path) + 1), *at = escaped;
  if (escaped == NULL) abort();
  for (const char *from = path; *from != '\0'; from++) {
    if (*from == ',' || *from == '\\') *at++ = '\\';
    *at++ = *from;
  }
  add(&server, "source=%s", escaped);
  add(&server, "--fd=%d", listener);
  bool started = start(&server) > 0;
  close(listener);
  ADD(qemu, "-chardev");
  add(qemu, "socket,id=share%zu,path=%s", number, quoted(socket));
  ADD(qemu, "-device");
  add(qemu, "vhost-user-fs-pci,chardev=share%zu,tag=%s", number, quoted(tag));
  return started;
}

static bool serve_shares(const struct machine *machine, struct arguments *qemu) {
  for (size_t i = 0; i < machine->share_count; i++) {
    if (!serve_share(machine, qemu, machine->shares[i].tag, machine->shares[i].path, i)) return false;
  }
  return getenv("KRUN_DOUBLE_OUTSIDE") == NULL || serve_share(machine, qemu, "outside", "/", machine->share_count);
}

static bool serve_vsock(const struct machine *machine, struct arguments *qemu) {
  if (!machine->has_vsock) return true;
  char socket[256], calls[256];
  place(machine, socket, sizeof socket, "vsock", 0);
  place(machine, calls, sizeof calls, "calls", 0);
  struct arguments device = {.count = 0};
  ADD(&device, VSOCK_DEVICE, "--guest-cid", "3", "--socket", socket, "--uds-path", calls);
  if (start(&device) < 0) return false;
  while (access(socket, F_OK) != 0) usleep(2000);
  ADD(qemu, "-chardev");
  add(qemu, "socket,id=vsock,path=%s", quoted(socket));
  ADD(qemu, "-device", "vhost-user-vsock-pci,chardev=vsock");
  return vsock_ports_open(machine, calls);
}

static bool add_disks(const struct machine *machine, struct arguments *qemu) {
  for (size_t i = 0; i < machine->disk_count; i++) {
    const struct emulated_disk *disk = &machine->disks[i];
    struct stat info;
    if (stat(disk->path, &info) != 0) return false;
    ADD(qemu, "-blockdev");
    add(qemu,
        "driver=raw,node-name=disk%zu,read-only=%s,cache.direct=%s,cache.no-flush=%s,discard=unmap,file.driver=file,"
        "file.filename=%s,file.discard=unmap,file.locking=off",
        i, disk->read_only ? "on" : "off", disk->direct ? "on" : "off", disk->flushes ? "off" : "on",
        quoted(disk->path));
    char serial[64];
    snprintf(serial, sizeof serial, "%ju%ju%ju", (uintmax_t)info.st_dev, (uintmax_t)info.st_rdev, (uintmax_t)info.st_ino);
    ADD(qemu, "-device");
    add(qemu, "virtio-blk-pci,drive=disk%zu,serial=%.20s", i, serial);
  }
  return true;
}

static void add_boot(const struct machine *machine, struct arguments *qemu) {
  ADD(qemu, "-kernel");
  if (machine->kernel != NULL) {
    ADD(qemu, machine->kernel, "-append", machine->command_line);
    if (machine->initramfs != NULL) ADD(qemu, "-initrd", machine->initramfs);
    return;
  }
  add(qemu, "/proc/self/fd/%d", machine->firmware_kernel);
  ADD(qemu, "-initrd");
  add(qemu, "/proc/self/fd/%d", machine->firmware_initramfs);
  ADD(qemu, "-append");
  add(qemu, "panic=-1 console=hvc0 rdinit=/firmware-init quiet%s%s%s", machine->words,
      machine->program == NULL ? "" : " KRUN_INIT=", machine->program == NULL ? "" : machine->program);
}

static void add_machine(const struct machine *machine, struct arguments *qemu) {
  const char *architecture = getenv("KRUN_DOUBLE_ARCHITECTURE");
  bool is_amd64 = architecture != NULL && strcmp(architecture, "amd64") == 0;
  ADD(qemu, is_amd64 ? "/usr/bin/qemu-system-x86_64" : "/usr/bin/qemu-system-aarch64", "-machine",
      is_amd64 ? "q35,memory-backend=memory" : "virt,memory-backend=memory", "-cpu", is_amd64 ? "max" : "cortex-a72");
  ADD(qemu, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-accel", "tcg,thread=multi");
  ADD(qemu, "-smp");
  add(qemu, "%u", machine->cpus);
  ADD(qemu, "-m");
  add(qemu, "%uM", machine->memory_mib);
  ADD(qemu, "-object");
  add(qemu, "memory-backend-memfd,id=memory,size=%uM,share=on", machine->memory_mib);
  ADD(qemu, "-device", "virtio-rng-pci", "-device", "virtio-balloon-pci,deflate-on-oom=on,free-page-reporting=on");
}

/* The console is a pipe of this process, which QEMU opens anew. */
static void add_console(const struct machine *machine, struct arguments *qemu) {
  int console = machine->console == NULL ? -1 : open(machine->console, O_WRONLY);
  if (console < 0) return;
  ADD(qemu, "-add-fd");
  add(qemu, "fd=%d,set=1", console);
  ADD(qemu, "-chardev", "file,id=console,path=/dev/fdset/1,append=on", "-device", "virtio-serial-pci", "-device",
      "virtconsole,chardev=console");
}

static void add_network(const struct machine *machine, struct arguments *qemu) {
  if (machine->network < 0) {
    ADD(qemu, "-nic", "none");
    return;
  }
  const uint8_t *mac = machine->mac;
  int descriptor = fcntl(machine->network, F_DUPFD, FIRST_DESCRIPTOR);
  ADD(qemu, "-netdev");
  add(qemu, "stream,id=network,server=off,addr.type=fd,addr.str=%d", descriptor);
  ADD(qemu, "-device");
  add(qemu, "virtio-net-pci,netdev=network,romfile=,mac=%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
      mac[4], mac[5]);
}

int32_t emulate(const struct machine *machine) {
  struct arguments qemu = {.count = 0};
  if (machine->kernel == NULL && machine->firmware_kernel < 0) {
    fprintf(stderr, "Couldn't find or load libkrunfw.so.5\n");
    return -ENOENT;
  }
  add_machine(machine, &qemu);
  add_boot(machine, &qemu);
  if (!add_disks(machine, &qemu) || !serve_shares(machine, &qemu) || !serve_vsock(machine, &qemu)) return -EINVAL;
  add_console(machine, &qemu);
  add_network(machine, &qemu);
  pid_t main = start(&qemu);
  if (main < 0) return -EINVAL;
  int status;
  for (pid_t ended; (ended = wait(&status)) != main;) {
    if (ended < 0 && errno != EINTR) return -EINVAL;
  }
  exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}
