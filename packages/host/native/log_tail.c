#include "log_tail.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

void log_tail(const char *path, off_t since, char tail[MAX_LOG_TAIL_BYTES + 1]) {
  tail[0] = '\0';
  int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (file < 0) return;
  off_t end = lseek(file, 0, SEEK_END);
  off_t from = end - since > MAX_LOG_TAIL_BYTES ? end - MAX_LOG_TAIL_BYTES : since;
  ssize_t got = end > from ? pread(file, tail, MAX_LOG_TAIL_BYTES, from) : 0;
  close(file);
  if (got <= 0) return;
  for (ssize_t i = 0; i < got; i++) {
    if (tail[i] == '\0') tail[i] = ' ';
  }
  while (got > 0 && (tail[got - 1] == '\n' || tail[got - 1] == '\r')) got--;
  tail[got] = '\0';
  char *line = from > since ? strchr(tail, '\n') : NULL;
  if (line != NULL) memmove(tail, line + 1, strlen(line + 1) + 1);
}
