/* In place of what is made for macOS guests on Apple silicon: the framework has no such classes here. */
#include "mac_guest.h"
#include "mac_installation.h"
#include "mac_platform.h"

namespace vz {

static Failure notHere() {
  return {"VZErrorDomain", VZErrorNotSupported, "guests that run macOS are for Macs with Apple silicon"};
}

std::string newMachineIdentifier() { return ""; }

HardwareModel checkHardwareModel(const std::string &) { return HardwareModel::unsupported; }

Outcome createAuxiliaryStorage(const std::string &, const std::string &) { return notHere(); }

void loadRestoreImage(const std::string &, RestoreImageDone done) { done({}, notHere()); }

void findLatestRestoreImage(RestoreImageDone done) { done({}, notHere()); }

Outcome setMacGuest(VZVirtualMachineConfiguration *, const MacGuest &) { return notHere(); }

NSObject *beginInstallation(VZVirtualMachine *, const std::string &, std::function<void(double)>, Done,
                            Outcome &outcome) {
  outcome = notHere();
  return nil;
}

void cancelInstallation(NSObject *) {}

}  // namespace vz
