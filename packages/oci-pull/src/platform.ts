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

/** The lowest variant of an architecture, and the one that is meant when none is named. */
const variantRange: Readonly<Record<string, { lowest: number; usual: number }>> = {
  amd64: { lowest: 1, usual: 1 },
  arm: { lowest: 5, usual: 7 },
  arm64: { lowest: 8, usual: 8 },
};

/** Variants that run on the wanted platform, the best first: older ones run on newer ones, unnamed ones everywhere. */
function acceptableVariants({ architecture, variant }: Platform): readonly (string | undefined)[] {
  const range = variantRange[architecture];
  if (range === undefined) return variant === undefined ? [undefined] : [variant, undefined];
  const exact = variant ?? `v${range.usual}`;
  const highest = Number(/^v([0-9])(\.[0-9]+)?$/.exec(exact)?.[1] ?? 0);
  const older = Array.from({ length: Math.max(0, highest - range.lowest + 1) }, (_, step) => `v${highest - step}`);
  return [...new Set([exact, ...older]), undefined];
}
