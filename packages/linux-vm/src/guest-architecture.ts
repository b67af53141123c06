import type { VmLimits } from '@zlayer/host';
import type { Architecture } from '@zlayer/runtime-core';

/** What a guest is, and whose programs it gets a translator for. */
export interface GuestArchitecture {
  architecture: Architecture;
  translated?: Architecture | undefined;
}

/** The guest for programs of an architecture. One that the driver cannot run either way is left for it to refuse. */
export function guestArchitecture(
  wanted: Architecture,
  { architectures, translated = [] }: Pick<VmLimits, 'architectures' | 'translated'>,
): GuestArchitecture {
  const [native] = architectures;
  if (native === undefined || architectures.includes(wanted) || !translated.includes(wanted)) {
    return { architecture: wanted };
  }
  return { architecture: native, translated: wanted };
}
