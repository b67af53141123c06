#include "mac_place.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>

enum { SLOTS = 2, LEASE_SECONDS = 86400 };

static NSString *inFolder(NSString *name) {
  const char *folder = getenv("VZ_DOUBLE_MACOS");
  return folder == NULL ? nil : [[NSString stringWithUTF8String:folder] stringByAppendingPathComponent:name];
}

NSString *macFile(NSString *name) {
  NSString *path = inFolder(name);
  return path != nil && [[NSFileManager defaultManager] fileExistsAtPath:path] ? path : nil;
}

int takeMacSlot(void) {
  for (int slot = 0; slot < SLOTS; slot++) {
    NSString *path = inFolder([NSString stringWithFormat:@"slot-%d", slot]);
    int descriptor = path == nil ? -1 : open([path UTF8String], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor >= 0 && flock(descriptor, LOCK_EX | LOCK_NB) == 0) return descriptor;
    if (descriptor >= 0) close(descriptor);
  }
  return -1;
}

static void bytesOf(NSString *mac, unsigned bytes[6]) {
  sscanf([mac UTF8String], "%2x:%2x:%2x:%2x:%2x:%2x", &bytes[0], &bytes[1], &bytes[2], &bytes[3], &bytes[4], &bytes[5]);
}

NSString *macGuestAddress(NSString *mac) {
  unsigned bytes[6] = {};
  bytesOf(mac, bytes);
  return [NSString stringWithFormat:@"127.%u.%u.%u", bytes[3] | 1, bytes[4], bytes[5] % 254 + 1];
}

/* In the manner of the server: octets without their zeros. */
void noteLease(NSString *mac) {
  NSString *leases = macFile(@"leases");
  FILE *file = leases == nil ? NULL : fopen([leases UTF8String], "ae");
  if (file == NULL) return;
  unsigned b[6] = {};
  bytesOf(mac, b);
  fprintf(file,
          "{\n\tname=guest\n\tip_address=%s\n\thw_address=1,%x:%x:%x:%x:%x:%x\n\tidentifier=1,%x:%x:%x:%x:%x:%x\n"
          "\tlease=0x%llx\n}\n",
          [macGuestAddress(mac) UTF8String], b[0], b[1], b[2], b[3], b[4], b[5], b[0], b[1], b[2], b[3], b[4], b[5],
          (unsigned long long)time(NULL) + LEASE_SECONDS);
  fclose(file);
}
