export type { BlobTier } from './blob-tier.ts';
export { type CollectedGarbage, collectGarbage, type GarbageOptions } from './collect-garbage.ts';
export type { Credentials, IdentityToken, PasswordCredentials, RegistryToken } from './credentials.ts';
export { type Digest, isDigest } from './digest.ts';
export { type ErofsImageFile, type ErofsImageOptions, erofsImage } from './erofs-image.ts';
export { OciError, type OciErrorReason } from './errors.ts';
export { type ExportOptions, exportArchive, exportLayout } from './export-archive.ts';
export type { UnpackProgress } from './flatten-layers.ts';
export type { TransportOptions } from './http-client.ts';
export type { ImageConfig } from './image-config.ts';
export type { OpenBlobOptions, OpenedBlob } from './image-source.ts';
export { ImageStore, type WriteBlobOptions } from './image-store.ts';
export { type ImportArchiveOptions, importArchive } from './import-archive.ts';
export { type ImportLayoutOptions, importLayout } from './import-layout.ts';
export { inParallel } from './in-parallel.ts';
export type { ArtifactLayer, ArtifactManifest, Descriptor, ImageManifest } from './manifest.ts';
export type { Pin } from './pins.ts';
export type { Platform } from './platform.ts';
export type { PullProgress } from './progress.ts';
export {
  type PullAndUnpackOptions,
  type PullToErofsOptions,
  pullAndUnpack,
  pullToErofs,
} from './pull-and-unpack.ts';
export { type PullArtifactOptions, pullArtifact, type StoredArtifact } from './pull-artifact.ts';
export { type PullImageOptions, pullImage } from './pull-image.ts';
export {
  type ArtifactBlob,
  type ArtifactLayerInput,
  type PushArtifactInput,
  type PushArtifactOptions,
  pushArtifact,
} from './push-artifact.ts';
export { type PushImageOptions, pushImage } from './push-image.ts';
export type { PushProgress } from './push-progress.ts';
export type { Pushed, PushOptions } from './push-repository.ts';
export { formatReference, type ImageReference, type ParseReferenceOptions, parseReference } from './reference.ts';
export type { RegistryOptions, RegistrySettings } from './registry-options.ts';
export type { SourceOptions } from './source-chain.ts';
export type { ImageRecord } from './store-index.ts';
export { findImage, type StoredImage, type StoredLayer } from './stored-image.ts';
export type { MinimumThroughput } from './throughput.ts';
export type { UnpackLimits } from './unpack-budget.ts';
export { type UnpackedImage, type UnpackImageOptions, unpackImage } from './unpack-image.ts';
export type { UnpackLosses } from './unpack-losses.ts';
export { type StoreReport, type VerifyOptions, verifyStore } from './verify-store.ts';
