#ifndef ZLAYER_HOST_RUN_DIRECTORY_H
#define ZLAYER_HOST_RUN_DIRECTORY_H

/* Unlinks the directory's entries, one level deep and never through a link, and then the directory. */
void remove_run_directory(const char *path);

#endif
