import { expect, test } from 'vitest';
import { fakeCapabilities } from './fake/fake-capabilities.ts';
import { FAKE_CAPABILITIES } from './fake/index.ts';
import { parseServiceSpec } from './service-spec.ts';
import { refuseUnsupported, unsupportedPlaces } from './unsupported-places.ts';

const capabilities = fakeCapabilities(new Set(FAKE_CAPABILITIES));

test('an ordinary spec can be run by every runtime', () => {
  const spec = parseServiceSpec({ image: 'a', user: '1:2', resources: { memory: '1Gi', cpu: 2 }, env: { A: '1' } });
  expect(unsupportedPlaces(spec, capabilities)).toEqual([]);
  expect(() => refuseUnsupported({ name: 'x', capabilities }, spec)).not.toThrow();
});

test('every place is named at once, the first as the subject', () => {
  const spec = parseServiceSpec({ image: 'a', tty: true, hostname: 'b', ports: ['1', '2/udp'], user: 'me' });
  const places = ['user by name', 'hostname', 'ports[0] of protocol tcp', 'ports[1] of protocol udp', 'tty'];
  expect(unsupportedPlaces(spec, capabilities)).toEqual(places);
  expect(() => refuseUnsupported({ name: 'x', capabilities }, spec)).toThrow(
    expect.objectContaining({
      code: 'UNSUPPORTED',
      subject: places[0],
      message: expect.stringContaining(places.join(', ')),
    }),
  );
});

test('a platform is looked for in every spelling', () => {
  const places = (platform: string): string[] =>
    unsupportedPlaces(parseServiceSpec({ image: 'a', platform }), capabilities);
  expect(places('x86_64')).toEqual([]);
  expect(places('macos/arm64')).toEqual(['platform darwin/arm64']);
});
