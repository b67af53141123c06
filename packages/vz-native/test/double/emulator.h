/* A machine of QEMU with its virtiofsd and vhost-device-vsock, under a zlayer-host that ends with this process. */
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <string>

#import <Virtualization/Virtualization.h>

class Emulator : public std::enable_shared_from_this<Emulator> {
 public:
  struct End {
    bool orderly; /* the guest turned the machine off */
    std::string message;
  };

  /* Does not block; one of the two is called, on a thread of the emulator's own, and after `started` also `ended`, once. */
  static std::shared_ptr<Emulator> start(VZVirtualMachineConfiguration *configuration,
                                         std::function<void()> started, std::function<void(End)> ended);
  ~Emulator();

  void kill();
  /* Stops or continues QEMU itself: its own `stop` leaves vhost-device-vsock deaf now and then. */
  bool suspend(bool on);
  bool command(const std::string &qmp);
  const std::string &vsockSocket() const { return vsock_; }

 private:
  explicit Emulator(VZVirtualMachineConfiguration *configuration);
  void run(std::function<void()> started, std::function<void(End)> ended);
  bool spawnHost(std::string &why);
  bool request(const std::string &line);

  std::string directory_;
  std::string vsock_;
  std::string configuration_;
  std::atomic<int> lifeline_{-1};
  pid_t host_ = -1;
  std::atomic<bool> unwanted_{false};
};
