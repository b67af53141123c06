/* Our texts and paths as Foundation's. */
#pragma once
#import <Foundation/Foundation.h>

#include <string>

namespace vz {

/* Raises an exception for a text that is not UTF-8. */
inline NSString *string(const std::string &text) {
  NSString *made = [NSString stringWithUTF8String:text.c_str()];
  if (made == nil) [NSException raise:NSInvalidArgumentException format:@"a text is not UTF-8"];
  return made;
}

inline NSURL *file(const std::string &path) { return [NSURL fileURLWithPath:string(path) isDirectory:NO]; }

inline std::string text(NSString *string) { return string == nil ? "" : [string UTF8String]; }

}  // namespace vz
