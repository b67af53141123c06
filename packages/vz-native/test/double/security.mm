#import <Security/Security.h>

static struct __CFBoolean {
} yes;
const CFBooleanRef kCFBooleanTrue = &yes;
static struct __SecTask {
} self;

/* The objects of this file are not allocated. */
void CFRelease(CFTypeRef) {}

SecTaskRef SecTaskCreateFromSelf(CFAllocatorRef) { return &self; }

CFTypeRef SecTaskCopyValueForEntitlement(SecTaskRef, CFStringRef entitlement, CFErrorRef *) {
  const char *list = getenv("VZ_DOUBLE_ENTITLEMENTS");
  if (list == nullptr) return nullptr;
  NSArray *entitlements = [[NSString stringWithUTF8String:list] componentsSeparatedByString:@","];
  return [entitlements containsObject:(NSString *)entitlement] ? kCFBooleanTrue : nullptr;
}
