// The first program of the kernel that stands for libkrunfw's: loads the modules that the real one has built in, and goes
// on as that does, with the program in the folder that is shared as the root.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char text[65536];

static char *read_text(const char *path) {
  int file = open(path, O_RDONLY);
  ssize_t length = file < 0 ? 0 : read(file, text, sizeof text - 1);
  close(file);
  text[length < 0 ? 0 : length] = '\0';
  return text;
}

// A line has a condition in front of its path, or none.
static void load_modules(const char *list) {
  char *rest = read_text(list);
  for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
    char *path = strrchr(line, '/') == NULL ? line : strchr(line, '/');
    int module = open(path, O_RDONLY);
    if (module >= 0) syscall(SYS_finit_module, module, "", 0);
    close(module);
  }
}

static char *program_of_init(void) {
  mkdir("/proc", 0755);
  mount("proc", "/proc", "proc", 0, NULL);
  char *found = strstr(read_text("/proc/cmdline"), "KRUN_INIT=");
  umount("/proc");
  return found == NULL ? NULL : strtok(found + strlen("KRUN_INIT="), " \n");
}

int main(void) {
  load_modules("/lib/modules/modules.load");
  load_modules("/lib/modules/modules.late");
  char *program = program_of_init();
  mkdir("/shared", 0755);
  if (mount("/dev/root", "/shared", "virtiofs", 0, NULL) != 0) perror("the root cannot be mounted");
  mount("dev", "/shared/dev", "devtmpfs", 0, NULL);
  if (chdir("/shared") != 0 || mount(".", "/", NULL, MS_MOVE, NULL) != 0 || chroot(".") != 0 || chdir("/") != 0) return 1;
  char *const arguments[] = {program == NULL ? "/init.krun" : program, NULL}, *const environment[] = {NULL};
  if (program == NULL) execve(arguments[0], arguments, environment);
  // libkrun's own init is not replaced by the program that it starts.
  if (fork() == 0) execve(arguments[0], arguments, environment);
  wait(NULL);
  sync();
  reboot(RB_AUTOBOOT);
}
