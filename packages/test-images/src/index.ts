export { busyboxProgram } from './busybox-program.ts';
export { debianLayer } from './debian-layer.ts';
export { rustVirtiofsd } from './rust-virtiofsd.ts';
export { type BusyboxImage, type ServeBusyboxOptions, type ServedImages, serveBusybox } from './serve-busybox.ts';
