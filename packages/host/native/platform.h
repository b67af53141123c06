/* What differs between systems, decided in one place. ZLAYER_HOST_PORTABLE builds the fallbacks on Linux, for tests. */
#ifndef ZLAYER_HOST_PLATFORM_H
#define ZLAYER_HOST_PLATFORM_H

#if defined(__linux__) && !defined(ZLAYER_HOST_PORTABLE)
#define HOST_HAS_INOTIFY 1
#define HOST_HAS_PARENT_DEATH_SIGNAL 1
#define HOST_HAS_SUBREAPER 1
#define HOST_HAS_MOUNT_NAMESPACES 1
#else
#define HOST_HAS_INOTIFY 0
#define HOST_HAS_PARENT_DEATH_SIGNAL 0
#define HOST_HAS_SUBREAPER 0
#define HOST_HAS_MOUNT_NAMESPACES 0
#endif

#if defined(__GNUC__)
#define HOST_PRINTF(template, first) __attribute__((format(printf, template, first)))
#else
#define HOST_PRINTF(template, first)
#endif

#endif
