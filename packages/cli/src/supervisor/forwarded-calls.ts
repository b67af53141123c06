import type { SupervisorClient } from '@zlayer/host';
import {
  BaseRuntime,
  type Cancellable,
  type OverlayAttachKind,
  type PullProgress,
  type Runtime,
  type RuntimeCapabilities,
} from '@zlayer/runtime-core';
import { remoteItems } from './remote-items.ts';
import { RemoteRequests } from './remote-requests.ts';
import { CALLS, type CallName, type Description, ITEM_CALLS, type ItemCallName } from './runtime-protocol.ts';

/** Calls of the table that need more than being passed on. */
type SpecialCall = 'startContainer' | 'writeStdin';
type SpecialItemCall = 'saveImages' | 'archiveGet';
type ForwardedCall = Exclude<CallName, SpecialCall>;
type ForwardedItemCall = Exclude<ItemCallName, SpecialItemCall>;

const SPECIAL: Readonly<Record<SpecialCall | SpecialItemCall, true>> = {
  startContainer: true,
  writeStdin: true,
  saveImages: true,
  archiveGet: true,
};

type CallOptions = Cancellable & { onProgress?: ((progress: PullProgress) => void) | undefined };

/** What a call for a runtime of a supervisor goes through. */
abstract class RemoteCalls extends BaseRuntime {
  readonly name: string;
  protected readonly requests: RemoteRequests;
  readonly #client: SupervisorClient;
  readonly #description: Description;

  constructor(client: SupervisorClient, name: string, description: Description) {
    super();
    this.name = description.name;
    this.requests = new RemoteRequests(client, name);
    this.#client = client;
    this.#description = description;
  }

  capabilities(): RuntimeCapabilities {
    return this.#description.capabilities;
  }

  override overlayAttachKind(): OverlayAttachKind | undefined {
    return this.#description.overlay as OverlayAttachKind | undefined;
  }

  async close(): Promise<void> {
    this.#client.close();
    await this.#client.closed;
  }

  /** Passes a call on. Its signal and its progress stay here: they are told by messages of their own. */
  protected async call<T>(method: CallName, args: unknown[]): Promise<T> {
    const [sent, { signal, onProgress }] = withoutCallOptions(args, CALLS[method]);
    signal?.throwIfAborted();
    const request = this.requests.open('call', { method, args: sent }, (event) => onProgress?.(event as PullProgress));
    return (await this.requests.settled(request, { signal })) as T;
  }

  /** The same for a call that gives a stream. */
  protected items<T>(method: ItemCallName, args: unknown[]): AsyncIterable<T> {
    const [sent, { signal }] = withoutCallOptions(args, ITEM_CALLS[method]);
    return remoteItems(this.requests, method, sent, { signal });
  }

  static {
    const define = (name: string, value: (this: RemoteCalls, ...args: unknown[]) => unknown): void => {
      if (!Object.hasOwn(SPECIAL, name)) {
        Object.defineProperty(RemoteCalls.prototype, name, { value, writable: true, configurable: true });
      }
    };
    for (const name of Object.keys(CALLS) as CallName[]) {
      define(name, function (...args) {
        return this.call(name, args);
      });
    }
    for (const name of Object.keys(ITEM_CALLS) as ItemCallName[]) {
      define(name, function (...args) {
        return this.items(name, args);
      });
    }
  }
}

/** The arguments as they are sent, and what of the options at their place cannot be sent. */
function withoutCallOptions(args: unknown[], place: number | undefined): [unknown[], CallOptions] {
  if (place === undefined) return [args, {}];
  const { signal, onProgress, ...options } = (args[place] ?? {}) as CallOptions;
  const sent = [...args];
  sent[place] = options;
  return [sent, { signal, onProgress }];
}

/** A runtime whose calls go to a supervisor, but for the special ones: made of the tables of the protocol. */
export const ForwardedCalls = RemoteCalls as unknown as new (
  ...args: ConstructorParameters<typeof RemoteCalls>
) => RemoteCalls & Pick<Runtime, ForwardedCall | ForwardedItemCall>;
