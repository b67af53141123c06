import { describe, expect, it } from 'vitest';
import { overlaySettings } from './overlay.ts';

const config = (endpoint: string) => ({
  ...{ overlayIp: '10.0.0.2', prefixLength: 24, privateKey: 'key', listenPort: 51_820 },
  peers: [{ publicKey: 'peer', endpoint, allowedIps: ['10.0.0.1/32', '10.1.0.0/16'], persistentKeepaliveSecs: 25 }],
});

describe('overlaySettings', () => {
  it.each([
    ['10.200.0.1:51820', '192.168.64.1', '192.168.64.1:51820'],
    ['[fd00::1]:51820', '192.168.64.1', '192.168.64.1:51820'],
    ['10.200.0.1:51820', 'fd00::1', '[fd00::1]:51820'],
    ['10.200.0.1:51820', null, '10.200.0.1:51820'],
    ['', '192.168.64.1', ''],
  ])('a peer at %j is called over the gateway %s as %j', (endpoint, gateway, expected) => {
    expect(overlaySettings(config(endpoint), gateway).peers[0]?.endpoint).toBe(expected);
  });

  it('writes everything as the guest reads it', () => {
    expect(overlaySettings(config(''), null)).toEqual({
      ...{ overlayIp: '10.0.0.2', prefixLen: 24, privateKey: 'key', listenPort: 51_820 },
      ...{ dnsServer: null, dnsDomain: null },
      peers: [{ publicKey: 'peer', endpoint: '', allowedIps: '10.0.0.1/32,10.1.0.0/16', persistentKeepaliveSecs: 25n }],
    });
  });
});
