#include "emulator_configuration.h"

#include <unistd.h>

#include "mac_place.h"
#include "machine_internals.h"

/* Where Debian 12 has it, and where later ones have the one in Rust, whose options differ and which is not supported. */
static NSString *const VIRTIOFSD = @"/usr/lib/qemu/virtiofsd";
static NSString *const VSOCK_DEVICE = @"/usr/bin/vhost-device-vsock";
static NSString *const QEMU = @"/usr/bin/qemu-system-aarch64";
enum { VSOCK_DESCRIPTOR = 10, FIRST_SHARE_DESCRIPTOR = 11 };

/* What root may do and an ordinary user of a Mac may not: the server of a share does without. */
static NSString *const NO_PRIVILEGES =
    @"modcaps=-chown:-dac_override:-dac_read_search:-fowner:-fsetid:-setgid:-setuid:-mknod:-setfcap";

/* QEMU reads a comma as the end of an option's value, and two as one comma. */
static NSString *quoted(NSString *value) {
  return [value stringByReplacingOccurrencesOfString:@"," withString:@",,"];
}

static NSDictionary *program(NSString *name, NSArray *argv, NSString *directory, NSArray *readOnlyPaths) {
  NSString *log = [directory stringByAppendingFormat:@"/%@.log", name];
  return @{@"name" : name, @"argv" : argv, @"log" : log, @"readOnlyPaths" : readOnlyPaths};
}

/* The folders of a share of several, side by side in a mount namespace of their server's own. */
static NSString *const GATHER = @"mount -t tmpfs none /mnt\n"
                                 "while [ \"$1\" != -- ]; do\n"
                                 "  mkdir \"/mnt/$3\" && mount --bind \"$2\" \"/mnt/$3\"\n"
                                 "  [ \"$1\" = rw ] || mount -o remount,bind,ro \"/mnt/$3\"\n"
                                 "  shift 3\n"
                                 "done\n"
                                 "shift\n"
                                 "exec \"$@\"";

static NSArray *gathering(NSDictionary *directories, NSArray *server) {
  NSMutableArray *argv = [NSMutableArray
      arrayWithArray:@[ @"/usr/bin/unshare", @"--mount", @"/bin/sh", @"-ec", GATHER, @"gather" ]];
  for (NSString *name in directories) {
    VZSharedDirectory *shared = [directories objectForKey:name];
    [argv addObjectsFromArray:@[ [shared isReadOnly] ? @"ro" : @"rw", [[shared URL] path], name ]];
  }
  [argv addObject:@"--"];
  return [argv arrayByAddingObjectsFromArray:server];
}

static NSArray *shareServer(VZDirectoryShare *share, NSString *socket, NSMutableArray *readOnlyPaths) {
  BOOL isMultiple = [share isKindOfClass:[VZMultipleDirectoryShare class]];
  BOOL isRosetta = [share isKindOfClass:[VZLinuxRosettaDirectoryShare class]];
  VZSharedDirectory *shared = isRosetta || isMultiple ? nil : [(VZSingleDirectoryShare *)share directory];
  NSString *path = isRosetta    ? [(VZLinuxRosettaDirectoryShare *)share folder]
                   : isMultiple ? @"/mnt"
                                : [[shared URL] path];
  if (isRosetta || [shared isReadOnly]) [readOnlyPaths addObject:path];
  /* The options of this virtiofsd are separated by commas. */
  NSString *source = [[path stringByReplacingOccurrencesOfString:@"\\" withString:@"\\\\"]
      stringByReplacingOccurrencesOfString:@","
                                withString:@"\\,"];
  NSArray *server = @[
    VIRTIOFSD, [@"--socket-path=" stringByAppendingString:socket], @"-o", [@"source=" stringByAppendingString:source],
    @"-o", @"cache=auto", @"-o", NO_PRIVILEGES
  ];
  return isMultiple ? gathering([(VZMultipleDirectoryShare *)share directories], server) : server;
}

static void addShares(VZVirtualMachineConfiguration *configuration, NSString *directory, NSMutableArray *helpers,
                      NSMutableArray *connections, NSMutableArray *qemu) {
  int index = 0;
  for (VZVirtioFileSystemDeviceConfiguration *device in [configuration directorySharingDevices]) {
    NSString *socket = [directory stringByAppendingFormat:@"/fs%d.sock", index];
    NSString *name = [NSString stringWithFormat:@"share%d", index];
    NSNumber *descriptor = [NSNumber numberWithInt:FIRST_SHARE_DESCRIPTOR + index];
    NSMutableArray *readOnlyPaths = [NSMutableArray array];
    NSArray *server = shareServer([device share], socket, readOnlyPaths);
    [helpers addObject:program(name, server, directory, readOnlyPaths)];
    [connections addObject:@{@"path" : socket, @"descriptor" : descriptor}];
    [qemu addObjectsFromArray:@[
      @"-chardev", [NSString stringWithFormat:@"socket,id=%@,fd=%@", name, descriptor], @"-device",
      [NSString stringWithFormat:@"vhost-user-fs-pci,chardev=%@,tag=%@", name, quoted([device tag])]
    ]];
    index++;
  }
}

static void addDisks(VZVirtualMachineConfiguration *configuration, NSMutableArray *qemu) {
  int index = 0;
  for (VZVirtioBlockDeviceConfiguration *device in [configuration storageDevices]) {
    VZDiskImageStorageDeviceAttachment *disk = (VZDiskImageStorageDeviceAttachment *)[device attachment];
    NSString *onOff = [disk isReadOnly] ? @"on" : @"off";
    NSString *direct = [disk cachingMode] == VZDiskImageCachingModeUncached ? @"on" : @"off";
    NSString *noFlush = [disk synchronizationMode] == VZDiskImageSynchronizationModeNone ? @"on" : @"off";
    NSString *common = [NSString
        stringWithFormat:@"read-only=%@,cache.direct=%@,cache.no-flush=%@", onOff, direct, noFlush];
    [qemu addObjectsFromArray:@[
      @"-blockdev",
      [NSString stringWithFormat:@"driver=raw,node-name=disk%d,%@,discard=unmap,file.driver=file,file.filename=%@,"
                                 @"file.discard=unmap",
                                 index, common, quoted([[disk URL] path])],
      @"-device",
      [NSString stringWithFormat:@"virtio-blk-pci,drive=disk%d,serial=%@", index,
                                 quoted([device blockDeviceIdentifier])]
    ]];
    index++;
  }
}

/* QEMU opens the console's pipe anew, through this process. */
static void addConsole(VZVirtualMachineConfiguration *configuration, NSMutableArray *qemu) {
  VZSerialPortConfiguration *port = [[configuration serialPorts] firstObject];
  if (port == nil) return;
  NSFileHandle *handle = [(VZFileHandleSerialPortAttachment *)[port attachment] fileHandleForWriting];
  NSString *path = [NSString stringWithFormat:@"/proc/%d/fd/%d", getpid(), [handle fileDescriptor]];
  [qemu addObjectsFromArray:@[
    @"-chardev", [NSString stringWithFormat:@"file,id=console,path=%@,append=on", path], @"-device",
    @"virtio-serial-pci", @"-device", @"virtconsole,chardev=console"
  ]];
}

static void addNetwork(VZVirtualMachineConfiguration *configuration, NSMutableArray *qemu) {
  int index = 0;
  if ([[configuration networkDevices] count] == 0) [qemu addObjectsFromArray:@[ @"-nic", @"none" ]];
  for (VZNetworkDeviceConfiguration *device in [configuration networkDevices]) {
    /* Of a guest in the place of macOS the host reaches the SSH server, as it would behind a Mac's NAT. */
    NSString *forward = ![configuration isForMac] ? @"" : [NSString
        stringWithFormat:@",hostfwd=tcp:%@:22-:22", macGuestAddress([[device MACAddress] string])];
    [qemu addObjectsFromArray:@[
      @"-netdev", [NSString stringWithFormat:@"user,id=network%d%@", index, forward], @"-device",
      [NSString stringWithFormat:@"virtio-net-pci,netdev=network%d,romfile=,mac=%@", index,
                                 [[device MACAddress] string]]
    ]];
    index++;
  }
}

/* What a machine boots; the Linux in the place of macOS, if that is what it is for. */
static VZLinuxBootLoader *bootLoader(VZVirtualMachineConfiguration *configuration) {
  if (![configuration isForMac]) return (VZLinuxBootLoader *)[configuration bootLoader];
  NSURL *kernel = [NSURL fileURLWithPath:macFile(@"kernel")];
  VZLinuxBootLoader *boot = [[[VZLinuxBootLoader alloc] initWithKernelURL:kernel] autorelease];
  [boot setInitialRamdiskURL:[NSURL fileURLWithPath:macFile(@"initramfs")]];
  NSString *line = [NSString stringWithContentsOfFile:macFile(@"command-line") encoding:NSUTF8StringEncoding error:NULL];
  [boot setCommandLine:[@"console=hvc0 " stringByAppendingString:line]];
  return boot;
}

static NSArray *machineArguments(VZVirtualMachineConfiguration *configuration, NSString *directory) {
  VZLinuxBootLoader *boot = bootLoader(configuration);
  unsigned long long bytes = [configuration memorySize];
  NSMutableArray *arguments = [NSMutableArray arrayWithArray:@[
    QEMU, @"-nodefaults", @"-no-user-config", @"-no-reboot", @"-display", @"none", @"-machine",
    @"virt,memory-backend=memory", @"-accel", @"tcg,thread=multi", @"-cpu", @"cortex-a72", @"-smp",
    [NSString stringWithFormat:@"%lu", (unsigned long)[configuration CPUCount]], @"-m",
    [NSString stringWithFormat:@"%lluB", bytes], @"-object",
    [NSString stringWithFormat:@"memory-backend-memfd,id=memory,size=%llu,share=on", bytes], @"-kernel",
    [[boot kernelURL] path], @"-append", [boot commandLine], @"-qmp",
    [NSString stringWithFormat:@"unix:%@/qmp.sock,server=on,wait=off", directory]
  ]];
  if ([boot initialRamdiskURL] != nil) {
    [arguments addObjectsFromArray:@[ @"-initrd", [[boot initialRamdiskURL] path] ]];
  }
  if ([[configuration entropyDevices] count] > 0) {
    [arguments addObjectsFromArray:@[ @"-device", @"virtio-rng-pci" ]];
  }
  if ([[configuration memoryBalloonDevices] count] > 0) {
    [arguments addObjectsFromArray:@[ @"-device", @"virtio-balloon-pci,id=balloon,deflate-on-oom=on" ]];
  }
  return arguments;
}

std::string emulatorConfiguration(VZVirtualMachineConfiguration *configuration, const std::string &path) {
  NSString *directory = [NSString stringWithUTF8String:path.c_str()];
  NSMutableArray *qemu = [NSMutableArray arrayWithArray:machineArguments(configuration, directory)];
  NSMutableArray *helpers = [NSMutableArray array];
  NSMutableArray *connections = [NSMutableArray array];
  if ([[configuration socketDevices] count] > 0) {
    NSString *socket = [directory stringByAppendingString:@"/vsock-device.sock"];
    NSString *calls = [directory stringByAppendingString:@"/vsock.sock"];
    NSArray *argv = @[ VSOCK_DEVICE, @"--guest-cid", @"3", @"--socket", socket, @"--uds-path", calls ];
    [helpers addObject:program(@"vsock", argv, directory, @[])];
    [connections addObject:@{@"path" : socket, @"descriptor" : [NSNumber numberWithInt:VSOCK_DESCRIPTOR]}];
    [qemu addObjectsFromArray:@[
      @"-chardev", [NSString stringWithFormat:@"socket,id=vsock,fd=%d", VSOCK_DESCRIPTOR], @"-device",
      @"vhost-user-vsock-pci,chardev=vsock"
    ]];
  }
  addShares(configuration, directory, helpers, connections, qemu);
  addDisks(configuration, qemu);
  addNetwork(configuration, qemu);
  addConsole(configuration, qemu);
  NSDictionary *host = @{
    @"version" : @1,
    @"statusFile" : [directory stringByAppendingString:@"/status.json"],
    @"controlSocket" : [directory stringByAppendingString:@"/control.sock"],
    @"onOwnerExit" : @"stop",
    @"stopGraceMs" : @0,
    @"startTimeoutMs" : @20000,
    @"runDirectory" : directory,
    @"helpers" : helpers,
    @"connections" : connections,
    @"main" : program(@"qemu", qemu, directory, @[])
  };
  NSData *json = [NSJSONSerialization dataWithJSONObject:host options:0 error:NULL];
  return std::string((const char *)[json bytes], [json length]);
}
