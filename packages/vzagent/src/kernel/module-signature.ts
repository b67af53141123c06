/** What the kernel's build puts behind a module that it signed: the signature, this structure and the marker. */
const MARKER = Buffer.from('~Module signature appended~\n');
const STRUCTURE_BYTES = 12;

/**
 * A kernel module without its appended signature. Debian's kernel verifies one that is there (a public-key operation
 * for each module: most of what loading costs, three quarters of it under emulation) but asks for none. An
 * initramfs is verified as a whole, by the digest of its bundle.
 */
export function withoutSignature(module: Uint8Array): Uint8Array {
  const structureAt = module.length - MARKER.length - STRUCTURE_BYTES;
  if (structureAt < 0 || !MARKER.equals(module.subarray(-MARKER.length))) return module;
  const structure = Buffer.from(module.buffer, module.byteOffset + structureAt, STRUCTURE_BYTES);
  const signatureAt = structureAt - structure.readUInt32BE(8);
  return signatureAt < 0 ? module : module.subarray(0, signatureAt);
}
