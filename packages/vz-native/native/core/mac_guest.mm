#include "mac_guest.h"

#include "mac_data.h"
#include "ns_failure.h"
#include "ns_text.h"

namespace vz {

std::string newMachineIdentifier() {
  @autoreleasepool {
    return base64Of([[[[VZMacMachineIdentifier alloc] init] autorelease] dataRepresentation]);
  }
}

HardwareModel checkHardwareModel(const std::string &base64) {
  @autoreleasepool {
    VZMacHardwareModel *model = nil;
    Outcome refused = guarded([&]() -> Outcome {
      model = hardwareModelOf(base64);
      return std::nullopt;
    });
    if (refused || model == nil) return HardwareModel::invalid;
    return [model isSupported] ? HardwareModel::supported : HardwareModel::unsupported;
  }
}

Outcome createAuxiliaryStorage(const std::string &path, const std::string &hardwareModel) {
  @autoreleasepool {
    return guarded([&]() -> Outcome {
      VZMacHardwareModel *model = hardwareModelOf(hardwareModel);
      if (model == nil) return notReadable("the hardware model");
      NSError *error = nil;
      VZMacAuxiliaryStorage *made = [[[VZMacAuxiliaryStorage alloc] initCreatingStorageAtURL:file(path)
                                                                               hardwareModel:model
                                                                                     options:0
                                                                                       error:&error] autorelease];
      if (made == nil) return failureAbout(path, error);
      return std::nullopt;
    });
  }
}

static RestoreImage describe(VZMacOSRestoreImage *image) {
  NSOperatingSystemVersion version = [image operatingSystemVersion];
  VZMacOSConfigurationRequirements *needs = [image mostFeaturefulSupportedConfiguration];
  return {
      .url = text([[image URL] absoluteString]),
      .version = std::to_string(version.majorVersion) + "." + std::to_string(version.minorVersion) + "." +
                 std::to_string(version.patchVersion),
      .build = text([image buildVersion]),
      .supported = [image isSupported] && needs != nil,
      .hardwareModel = needs == nil ? "" : base64Of([[needs hardwareModel] dataRepresentation]),
      .minCpus = needs == nil ? 0 : [needs minimumSupportedCPUCount],
      .minMemoryBytes = needs == nil ? 0 : [needs minimumSupportedMemorySize],
  };
}

using ImageHandler = void (^)(VZMacOSRestoreImage *, NSError *);

static void ask(const RestoreImageDone &done, const std::function<void(ImageHandler)> &question) {
  @autoreleasepool {
    /* A block takes a copy of a local variable, and of a reference only the reference. */
    auto finish = done;
    ImageHandler handler = ^(VZMacOSRestoreImage *image, NSError *error) {
      if (image == nil) return finish({}, failureOf(error));
      finish(describe(image), std::nullopt);
    };
    Outcome refused = guarded([&]() -> Outcome {
      question(handler);
      return std::nullopt;
    });
    if (refused) done({}, refused);
  }
}

void loadRestoreImage(const std::string &path, RestoreImageDone done) {
  ask(done, [&](ImageHandler handler) { [VZMacOSRestoreImage loadFileURL:file(path) completionHandler:handler]; });
}

void findLatestRestoreImage(RestoreImageDone done) {
  ask(done, [](ImageHandler handler) { [VZMacOSRestoreImage fetchLatestSupportedWithCompletionHandler:handler]; });
}

}  // namespace vz
