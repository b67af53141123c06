#import <Foundation/Foundation.h>

/* Every object of the double counts, so that tests see the ones that were never released. */
@interface VZDoubleObject : NSObject
@end

#ifdef __cplusplus
extern "C" {
#endif
/* How many objects of the double live. */
long VZDoubleLiveObjects(void);
#ifdef __cplusplus
}
#endif

/* A part of Foundation that GNUstep's does not have. */
typedef struct {
  NSInteger majorVersion, minorVersion, patchVersion;
} NSOperatingSystemVersion;
