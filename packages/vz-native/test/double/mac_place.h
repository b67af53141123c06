/*
 * VZ_DOUBLE_MACOS names a folder with what stands for macOS: `kernel`, `initramfs` and `command-line` of the Linux that runs
 * in its place from the guest's disk, `latest.ipsw` if Apple is to have an image, `leases` if the host's DHCP server is to
 * note addresses, and the locks of the two guests that a host may run.
 */
#pragma once
#include <string>

#import <Foundation/Foundation.h>

/* Nil if there is no such file. */
NSString *macFile(NSString *name);
/* A descriptor that holds one of the two places, or -1. */
int takeMacSlot(void);
/* The address of the host's loopback at which the SSH server of a guest is found, and which its lease names. */
NSString *macGuestAddress(NSString *mac);
void noteLease(NSString *mac);
