import type { OverlayConfig } from '@zlayer/runtime-core';
import type { OverlaySettings } from '@zlayer/vzagent-proto';

/**
 * The guest's part of an overlay network. What is advertised as a peer's endpoint is an address of the node, which a
 * guest behind the node's own network address translation reaches only as its gateway; the port stays. A peer that
 * calls by itself has no endpoint.
 */
export function overlaySettings(config: OverlayConfig, gateway: string | null): OverlaySettings {
  const { overlayIp, prefixLength, privateKey, listenPort, dnsServer, dnsDomain } = config;
  return {
    ...{ overlayIp, prefixLen: prefixLength, privateKey, listenPort },
    dnsServer: dnsServer ?? null,
    dnsDomain: dnsDomain ?? null,
    peers: config.peers.map(({ publicKey, endpoint, allowedIps, persistentKeepaliveSecs }) => ({
      publicKey,
      endpoint: gateway === null ? endpoint : throughGateway(endpoint, gateway),
      allowedIps: allowedIps.join(','),
      persistentKeepaliveSecs: BigInt(persistentKeepaliveSecs),
    })),
  };
}

function throughGateway(endpoint: string, gateway: string): string {
  const colon = endpoint.lastIndexOf(':');
  if (colon < 0) return endpoint;
  return `${gateway.includes(':') ? `[${gateway}]` : gateway}:${endpoint.slice(colon + 1)}`;
}
