#include "modules.h"

#include "files.h"
#include "log.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
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
    text_format(path, sizeof path, "%s/%s/device", folder, entry->d_name);
    if (entry->d_name[0] == '.') continue;
    char *text = file_read(path, NULL);
    const char *digits = text_after(text, "0x");
    uint64_t type = digits == NULL ? UINT64_MAX : text_number(digits, 16, NULL);
    free(text);
    if (type <= LARGEST_TYPE) types |= UINT64_C(1) << type;
  }
  closedir(devices);
  return types;
}

static void load(const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    log_line("module %s: %m", path);
    return;
  }
  if (syscall(SYS_finit_module, fd, "", 0) != 0 && errno != EEXIST) log_line("module %s: %m", path);
  close(fd);
}

// Loads one line's module unless its device is missing. The types are looked up again for each line with a condition,
// because the module before it may have been the bus.
static void load_line(const char *line) {
  if (strncmp(line, "virtio:", 7) == 0) {
    const char *path;
    uint64_t type = text_number(line + 7, 10, &path);
    if (*path != ' ' || type > LARGEST_TYPE) {
      log_line("module list: not understood: %s", line);
      return;
    }
    if ((virtio_types() >> type & 1) == 0) return;
    line = path + 1;
  }
  load(line);
}

void modules_load_between(const char *list, void (*meanwhile)(void)) {
  char *text = file_read(list, NULL);
  if (text == NULL) {
    log_line("module list %s: %m", list);
    return;
  }
  char *rest = text;
  for (char *line; (line = strtok_r(rest, "\n", &rest)) != NULL;) {
    load_line(line);
    meanwhile();
  }
  free(text);
}

static void nothing(void) {}

void modules_load(const char *list) { modules_load_between(list, nothing); }

bool modules_drive(const char *driver) {
  char path[128];
  text_format(path, sizeof path, "/sys/bus/virtio/drivers/%s", driver);
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
