import type { Availability } from '../availability.ts';
import { UnavailableError } from '../errors.ts';
import type { ImageDetails } from '../images.ts';
import { ISOLATION_LABEL, RUNTIME_LABEL } from '../labels.ts';
import { formatPlatform, type Platform, samePlatform } from '../platform.ts';
import { subjectOf } from '../quote.ts';
import type { CompositeDelegate } from './delegate.ts';
import { findIsolation, type Isolation } from './isolation.ts';
import { isNotFound, isRefusal } from './refusal.ts';

/** What decides where a container runs. */
export interface RouteRequest {
  image: string;
  /** What the spec asks for. */
  platform?: Platform | undefined;
  /** What the spec's label forces. */
  isolation?: Isolation | undefined;
}

type Unavailability = Extract<Availability, { available: false }>;
type LocalImage = { delegate: CompositeDelegate; details: ImageDetails };

/**
 * Chooses the delegate that is to run a container, out of those of a host in its order of preference:
 *
 * 1. The isolation that the spec forces decides alone.
 * 2. The runtime label of the image, if the image is in a local store. It is a wish: others follow.
 * 3. The platform of the spec: for Linux only a Linux VM that has this architecture; for macOS Seatbelt or a macOS VM.
 * 4. The platform of the image, if it is in a local store, in the same way.
 * 5. Any Linux VM. What nothing is known about never runs under Seatbelt.
 *
 * Nothing is pulled. A delegate that is not available is passed over.
 *
 * @throws ZlayerError `UNAVAILABLE` with the reason of each delegate when none is left.
 */
export async function route(
  delegates: readonly CompositeDelegate[],
  { image, platform, isolation }: RouteRequest,
): Promise<CompositeDelegate> {
  const passedOver = new Map<CompositeDelegate, Unavailability>();
  const firstAvailable = async (candidates: readonly CompositeDelegate[]): Promise<CompositeDelegate | undefined> => {
    for (const delegate of candidates) {
      if (passedOver.has(delegate)) continue;
      const availability = await availabilityOf(delegate);
      if (availability.available) return delegate;
      passedOver.set(delegate, availability);
    }
    return undefined;
  };

  if (isolation !== undefined) {
    const forced = delegates.filter((delegate) => delegate.isolation.includes(isolation));
    const found = await firstAvailable(forced);
    if (found) return found;
    throw forcedUnavailable(isolation, delegates, passedOver);
  }

  const local = await localImages(delegates, image, platform);
  const linux = delegates.filter(({ kind }) => kind === 'linux-vm');
  const suits = (delegate: CompositeDelegate, wanted: Platform): boolean =>
    (wanted.os === 'linux') === (delegate.kind === 'linux-vm') && runs(delegate, wanted);
  const marked = await firstAvailable(markedFor(delegates, local));
  if (marked) return marked;
  if (platform) {
    const found = await firstAvailable(delegates.filter((delegate) => suits(delegate, platform)));
    if (found) return found;
    throw nobodyLeft(image, delegates, passedOver, platform);
  }
  const platforms = local.map(({ details }) => details.platform);
  const suited = delegates.filter((delegate) => platforms.some((each) => suits(delegate, each)));
  const isForMacAlone = platforms.length > 0 && platforms.every(({ os }) => os === 'darwin');
  const found = (await firstAvailable(suited)) ?? (isForMacAlone ? undefined : await firstAvailable(linux));
  if (found) return found;
  throw nobodyLeft(image, delegates, passedOver);
}

/** Whether a delegate can be used now. One that cannot even say so cannot. */
export async function availabilityOf({ runtime }: CompositeDelegate): Promise<Availability> {
  try {
    return await runtime.availability();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const reason = `whether it is available could not be found out: ${message}`;
    return { available: false, reason, remedy: `Look into what is wrong with the runtime ${runtime.name}.` };
  }
}

/** Each delegate with its reason, as an error or an `Availability` says it. */
export function explain(reasons: Iterable<readonly [CompositeDelegate, { reason: string; remedy?: string }]>): {
  reason: string;
  remedy: string;
} {
  const list = [...reasons].map(([{ runtime }, why]) => ({ name: runtime.name, ...why }));
  return {
    reason: list.map(({ name, reason }) => `${name}: ${reason}`).join('; '),
    remedy: list.flatMap(({ name, remedy }) => (remedy ? [`${name}: ${remedy}`] : [])).join(' '),
  };
}

async function localImages(
  delegates: readonly CompositeDelegate[],
  reference: string,
  platform: Platform | undefined,
): Promise<LocalImage[]> {
  const found = await Promise.all(
    delegates.map(async (delegate) => {
      try {
        return [{ delegate, details: await delegate.runtime.inspectImage(reference, { platform }) }];
      } catch (error) {
        if (isNotFound(error) || isRefusal(error)) return [];
        throw error;
      }
    }),
  );
  return found.flat();
}

/** Those that an image says it was made for. It cannot leave a virtual machine's store for Seatbelt by saying so. */
function markedFor(delegates: readonly CompositeDelegate[], local: readonly LocalImage[]): CompositeDelegate[] {
  return local.flatMap(({ delegate: holder, details: { labels } }) => {
    const marker = Object.hasOwn(labels, RUNTIME_LABEL) ? labels[RUNTIME_LABEL] : undefined;
    const isolation = marker === undefined ? undefined : findIsolation(marker);
    if (isolation === undefined) return [];
    return delegates.filter(
      (delegate) => delegate.isolation.includes(isolation) && (delegate.kind !== 'seatbelt' || delegate === holder),
    );
  });
}

function runs({ runtime }: CompositeDelegate, platform: Platform): boolean {
  return runtime.capabilities().platforms.some((each) => samePlatform(each, platform));
}

function forcedUnavailable(
  isolation: Isolation,
  delegates: readonly CompositeDelegate[],
  passedOver: ReadonlyMap<CompositeDelegate, Unavailability>,
): Error {
  const label = `${ISOLATION_LABEL}=${isolation}`;
  if (passedOver.size > 0) {
    const { reason, remedy } = explain(passedOver);
    return new UnavailableError(`what the label ${label} asks for is not available: ${reason}`, {
      subject: isolation,
      remedy,
    });
  }
  const known = [...new Set(delegates.flatMap((delegate) => delegate.isolation))].join(', ');
  return new UnavailableError(`this host has no runtime for the label ${label}`, {
    subject: isolation,
    remedy: known ? `Use one of ${known}, or leave the label out.` : 'Leave the label out.',
  });
}

function nobodyLeft(
  image: string,
  delegates: readonly CompositeDelegate[],
  passedOver: ReadonlyMap<CompositeDelegate, Unavailability>,
  platform?: Platform,
): Error {
  const reasons = delegates.map((delegate) => {
    const why = passedOver.get(delegate);
    if (why) return [delegate, why] as const;
    const reason =
      platform && (delegate.kind === 'linux-vm' || platform.os !== 'linux')
        ? `it does not run ${formatPlatform(platform)}`
        : `it runs only what is meant for it, as the label ${ISOLATION_LABEL} says`;
    return [delegate, { reason }] as const;
  });
  const { reason, remedy } = explain(reasons);
  return new UnavailableError(`no runtime of this host can run ${subjectOf(image)}: ${reason}`, {
    subject: subjectOf(image),
    remedy: remedy || 'Choose another platform or isolation.',
  });
}
