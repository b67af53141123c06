/* The part of Security.framework that tells a process's own entitlements. */
#ifndef VZ_DOUBLE_SECURITY_H
#define VZ_DOUBLE_SECURITY_H

#import <Foundation/Foundation.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef const void *CFTypeRef;
typedef const struct __CFString *CFStringRef;
typedef const struct __CFError *CFErrorRef;
typedef const struct __CFAllocator *CFAllocatorRef;
typedef const struct __CFBoolean *CFBooleanRef;
typedef struct __SecTask *SecTaskRef;

#define kCFAllocatorDefault ((CFAllocatorRef)0)
#define CFSTR(text) ((CFStringRef) @"" text)
extern const CFBooleanRef kCFBooleanTrue;

void CFRelease(CFTypeRef object);
SecTaskRef SecTaskCreateFromSelf(CFAllocatorRef allocator);
/* True for the entitlements that the environment variable VZ_DOUBLE_ENTITLEMENTS lists, separated by commas. */
CFTypeRef SecTaskCopyValueForEntitlement(SecTaskRef task, CFStringRef entitlement, CFErrorRef *error);

#ifdef __cplusplus
}
#endif
#endif
