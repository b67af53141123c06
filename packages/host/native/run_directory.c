#include "run_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void remove_run_directory(const char *path) {
  int directory = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (directory < 0) return;
  struct stat info;
  DIR *listing = NULL;
  if (fstat(directory, &info) == 0 && info.st_uid == geteuid()) listing = fdopendir(directory);
  if (listing == NULL) {
    close(directory);
    return;
  }
  /* Some file systems skip entries while others are removed: read again until a round removes nothing. */
  int removed;
  do {
    removed = 0;
    rewinddir(listing);
    for (struct dirent *entry = readdir(listing); entry != NULL; entry = readdir(listing)) {
      if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
      if (unlinkat(dirfd(listing), entry->d_name, 0) == 0) removed++;
    }
  } while (removed > 0);
  closedir(listing);
  rmdir(path);
}
