/** What an image runs on, in the words of the OCI specification: `linux`, `amd64` or `arm64`, `v8`. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

export function formatPlatform(platform: Platform): string {
  return [platform.os, platform.architecture, platform.variant].filter((part) => part !== undefined).join('/');
}

/** How well an image suits a wanted platform: 0 is best, higher is worse, undefined is not at all. */
export function platformRank(wanted: Platform, offered: Platform): number | undefined {
  if (wanted.os !== offered.os || wanted.architecture !== offered.architecture) return undefined;
  const rank = acceptableVariants(wanted).indexOf(offered.variant);
  return rank < 0 ? undefined : rank;
}

/** Variants that run on the wanted platform, the best first; an older ARM runs on a newer one. */
function acceptableVariants({ architecture, variant }: Platform): readonly (string | undefined)[] {
  if (architecture === 'arm64' && (variant === undefined || variant === 'v8')) return ['v8', undefined];
  if (architecture === 'arm') {
    const variants = ['v7', 'v6', 'v5'];
    return [...variants.slice(Math.max(0, variants.indexOf(variant ?? 'v7'))), undefined];
  }
  return variant === undefined ? [undefined] : [variant, undefined];
}
