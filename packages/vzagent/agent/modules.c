#include "modules.h"

#include "files.h"
#include "log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LARGEST_TYPE = 63 };

// Bit N is set when there is a virtio device of type N.
static uint64_t virtio_types(void) {
  static const char folder[] = "/sys/bus/virtio/devices";
  uint64_t types = 0;
  DIR *devices = opendir(folder);
  if (devices == NULL) return 0;
  for (struct dirent *entry; (entry = readdir(devices)) != NULL;) {
    char path[sizeof folder + sizeof entry->d_name + sizeof "//device"];
    snprintf(path, sizeof path, "%s/%s/device", folder, entry->d_name);
    if (entry->d_name[0] == '.') continue;
    char *text = file_read(path, NULL);
    if (text == NULL) continue;
    unsigned long type = strtoul(text, NULL, 16);
    free(text);
    if (type <= LARGEST_TYPE) types |= UINT64_C(1) << type;
  }
  closedir(devices);
  return types;
}

static void load(const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    log_line("module %s: %s", path, strerror(errno));
    return;
  }
  if (syscall(SYS_finit_module, fd, "", 0) != 0 && errno != EEXIST) log_line("module %s: %s", path, strerror(errno));
  close(fd);
}

// Loads one line's module unless its device is missing. The types are looked up again for each line with a condition,
// because the module before it may have been the bus.
static void load_line(const char *line) {
  if (strncmp(line, "virtio:", 7) == 0) {
    char *path;
    unsigned long type = strtoul(line + 7, &path, 10);
    if (*path != ' ' || type > LARGEST_TYPE) {
      log_line("module list: not understood: %s", line);
      return;
    }
    if ((virtio_types() >> type & 1) == 0) return;
    line = path + 1;
  }
  load(line);
}

void modules_load(const char *list) {
  char *text = file_read(list, NULL);
  if (text == NULL) {
    log_line("module list %s: %s", list, strerror(errno));
    return;
  }
  char *rest = text;
  for (char *line; (line = strtok_r(rest, "\n", &rest)) != NULL;) load_line(line);
  free(text);
}

bool modules_drive(const char *driver) {
  char path[128];
  snprintf(path, sizeof path, "/sys/bus/virtio/drivers/%s", driver);
  DIR *folder = opendir(path);
  bool found = false;
  if (folder == NULL) return false;
  // Each device is a link called virtio and a number.
  for (struct dirent *entry; !found && (entry = readdir(folder)) != NULL;) {
    found = strncmp(entry->d_name, "virtio", 6) == 0;
  }
  closedir(folder);
  return found;
}
