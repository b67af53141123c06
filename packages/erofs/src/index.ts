export { type ByteString, byteString } from './byte-string.ts';
export { imageFault } from './check-image.ts';
export { ErofsError, type ErofsErrorCode, type ErofsErrorOptions } from './erofs-error.ts';
export { type AddFileOptions, type ErofsImage, ErofsWriter, type ErofsWriterOptions } from './erofs-writer.ts';
export type { FileData, FileSink } from './file-data.ts';
export type {
  DeviceNode,
  DirectoryNode,
  ErofsNode,
  FileNode,
  NodeAttributes,
  PipeNode,
  SymlinkNode,
} from './node.ts';
