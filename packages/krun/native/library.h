#ifndef KRUN_LIBRARY_H
#define KRUN_LIBRARY_H

#include "failure.h"
#include "krun_api.h"

struct library {
  const char *path; /* as it was loaded */
  const char *missing; /* the first required function that it lacks, or NULL */
  struct krun_api api;
};

/* Loads libkrun from a path, or with NULL from where systems keep it. False: there is none that can be loaded. */
bool library_load(struct library *library, const char *path, struct failure *failure);
/* The oldest version that has what this library has: "1.17" and so on; NULL for one that is older. */
const char *library_version(const struct library *library);

#endif
