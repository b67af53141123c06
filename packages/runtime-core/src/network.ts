/** A port of a container that is reachable on the host. */
export interface PublishedPort {
  protocol: 'tcp' | 'udp';
  containerPort: number;
  hostAddress: string;
  /** The real one, also where 0 was asked for. */
  hostPort: number;
}

/** How an overlay network reaches into a container. */
export type OverlayAttachKind = 'host-netns' | 'host-ip' | 'in-guest-vsock';

/** Another member of an overlay network. */
export interface OverlayPeer {
  publicKey: string;
  /** `host:port`; empty for a peer that calls by itself. */
  endpoint: string;
  /** CIDRs. */
  allowedIps: readonly string[];
  persistentKeepaliveSecs: number;
}

/** A WireGuard interface for a container. */
export interface OverlayConfig {
  overlayIp: string;
  prefixLength: number;
  privateKey: string;
  listenPort: number;
  peers: readonly OverlayPeer[];
  dnsServer?: string | undefined;
  dnsDomain?: string | undefined;
}
