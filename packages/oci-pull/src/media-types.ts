/** The media types of the OCI image specification and of Docker's image manifest version 2, schema 2. */
export const mediaTypes = {
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  /** The config or the only layer of an artifact that has none: two bytes, `{}`. */
  ociEmpty: 'application/vnd.oci.empty.v1+json',
  dockerIndex: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar',
} as const;

export function isIndexType(mediaType: string): boolean {
  return mediaType === mediaTypes.ociIndex || mediaType === mediaTypes.dockerIndex;
}

export function isManifestType(mediaType: string): boolean {
  return mediaType === mediaTypes.ociManifest || mediaType === mediaTypes.dockerManifest;
}

export function isConfigType(mediaType: string): boolean {
  return mediaType === mediaTypes.ociConfig || mediaType === mediaTypes.dockerConfig;
}

const layerTypes: ReadonlySet<string> = new Set([
  mediaTypes.ociLayer,
  `${mediaTypes.ociLayer}+gzip`,
  `${mediaTypes.ociLayer}+zstd`,
  mediaTypes.dockerLayer,
  `${mediaTypes.dockerLayer}.gzip`,
  `${mediaTypes.dockerLayer}.zstd`,
]);

export function isLayerType(mediaType: string): boolean {
  return layerTypes.has(mediaType);
}

/** Layers that a registry may not hand out: their manifest names other places where their bytes are said to be. */
export function isForeignLayerType(mediaType: string): boolean {
  return /^application\/vnd\.(docker\.image\.rootfs\.foreign\.|oci\.image\.layer\.nondistributable\.)/.test(mediaType);
}
