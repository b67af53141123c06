import { expect, test } from 'vitest';
import { ZlayerError } from '../errors.ts';
import { ISOLATION_LABEL, RUNTIME_LABEL } from '../labels.ts';
import { parsePlatform } from '../platform.ts';
import type { ServiceSpecInput } from '../service-spec.ts';
import { CompositeRuntime } from './composite-runtime.ts';
import { OFF, type TestHost, TestRuntime, testHost, waiting } from './test-host.ts';

const id = { service: 'web', replica: 0 };

/** The name of the delegate in which a container of this spec lands. */
async function landing(host: TestHost, spec: Partial<ServiceSpecInput> = {}): Promise<string | undefined> {
  await host.runtime.createContainer(id, { image: 'app', ...spec });
  const homes: string[] = [];
  for (const each of [host.vzLinux, host.qemu, host.vz, host.sandbox]) {
    if ((await each.listContainers()).length > 0) homes.push(each.name);
  }
  expect(homes).toHaveLength(1);
  return homes[0];
}

const forced = (value: string): Partial<ServiceSpecInput> => ({ labels: { [ISOLATION_LABEL]: value } });
const marked = (value: string) => ({ images: { app: { ...waiting, labels: { [RUNTIME_LABEL]: value } } } });

test.each([
  ['vz-linux', 'the-vz-linux'],
  ['VZ-Linux', 'the-vz-linux'],
  ['vz', 'the-vz'],
  ['qemu', 'the-qemu'],
  ['sandbox', 'the-sandbox'],
  ['SEATBELT', 'the-sandbox'],
])('the isolation label %s decides where a container runs', async (value, name) => {
  expect(await landing(testHost(), forced(value))).toBe(name);
});

test.each(['docker', '', 'seatbelt ', '__proto__', 'constructor', 'vm\n'])(
  'the unknown isolation %j is INVALID_SPEC and creates nothing, rather than being ignored',
  async (value) => {
    const host = testHost();
    await expect(landing(host, forced(value))).rejects.toMatchObject({ code: 'INVALID_SPEC' });
    expect(await host.runtime.listContainers()).toEqual([]);
  },
);

test('a forced runtime that is not available is an error with its reason, not another isolation', async () => {
  const host = testHost({ qemu: { availability: OFF } });
  const error = await landing(host, forced('qemu')).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: 'UNAVAILABLE', remedy: expect.stringContaining(OFF.remedy) });
  expect(String(error)).toContain(OFF.reason);
  expect(await host.runtime.listContainers()).toEqual([]);
});

test.each(['vm', 'LibKrun'])('the isolation %s that this host does not have is UNAVAILABLE', async (value) => {
  await expect(landing(testHost(), forced(value))).rejects.toMatchObject({ code: 'UNAVAILABLE', subject: 'vm' });
});

test('the label wins over the marker of the image', async () => {
  const host = testHost({ qemu: marked('vz') });
  await host.qemu.pullImage('app');
  expect(await landing(host, forced('vz-linux'))).toBe('the-vz-linux');
});

test('an image in a local store runs where its marker says', async () => {
  const host = testHost({ vzLinux: marked('QEMU') });
  await host.vzLinux.pullImage('app');
  expect(await landing(host, { platform: 'linux/amd64' })).toBe('the-qemu');
});

test('the marker of an image that is in no local store is not asked for in a registry', async () => {
  const host = testHost({ vzLinux: marked('qemu') });
  expect(await landing(host)).toBe('the-vz-linux');
  expect(await host.qemu.listImages()).toEqual([]);
});

test.each(['vm', 'no-such-runtime', '__proto__'])('the marker %s of no runtime here is passed over', async (value) => {
  const host = testHost({ qemu: marked(value) });
  await host.qemu.pullImage('app');
  expect(await landing(host)).toBe('the-vz-linux');
});

test('the marker of a runtime that is not available is passed over', async () => {
  const host = testHost({ qemu: marked('vz'), vz: { availability: OFF } });
  await host.qemu.pullImage('app');
  expect(await landing(host)).toBe('the-vz-linux');
});

test('an image cannot leave a virtual machine for Seatbelt by its marker', async () => {
  const host = testHost({ qemu: marked('sandbox') });
  await host.qemu.pullImage('app');
  expect(await landing(host)).toBe('the-vz-linux');
});

test('an image that was brought into the store of Seatbelt and is marked for it runs there', async () => {
  const host = testHost({ sandbox: marked('sandbox') });
  await host.sandbox.pullImage('app');
  expect(await landing(host)).toBe('the-sandbox');
});

test('a platform is run by a Linux VM that has its architecture', async () => {
  const host = testHost({ vzLinux: { architectures: ['arm64'] } });
  expect(await landing(host, { platform: 'linux/amd64' })).toBe('the-qemu');
});

test('a platform that no Linux VM has is an error that says so of each', async () => {
  const options = { architectures: ['arm64'] } as const;
  const host = testHost({ vzLinux: options, qemu: options });
  const error = await landing(host, { platform: 'linux/amd64' }).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: 'UNAVAILABLE', subject: 'app' });
  expect(String(error)).toMatch(/the-vz-linux: it does not run linux\/amd64.*the-qemu: it does not run linux\/amd64/);
});

test('an image of the local store runs in a VM of its platform', async () => {
  const host = testHost({ vzLinux: { architectures: ['amd64'] }, qemu: { architectures: ['arm64'] } });
  await host.sandbox.pullImage('app', { platform: parsePlatform('linux/arm64') });
  expect(await landing(host)).toBe('the-qemu');
});

test('an image of which nothing is known runs in the preferred Linux VM, never under Seatbelt', async () => {
  expect(await landing(testHost())).toBe('the-vz-linux');
});

test('a Linux VM that is not available is passed over', async () => {
  expect(await landing(testHost({ vzLinux: { availability: OFF } }))).toBe('the-qemu');
});

test('when no Linux VM is left, every delegate is named with its reason and Seatbelt is not used', async () => {
  const host = testHost({ vzLinux: { availability: OFF }, qemu: { availability: OFF } });
  const error = await landing(host).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: 'UNAVAILABLE', remedy: expect.stringContaining('the-qemu: Switch it on.') });
  for (const { name } of [host.vzLinux, host.qemu]) expect(String(error)).toContain(`${name}: ${OFF.reason}`);
  for (const { name } of [host.vz, host.sandbox]) expect(String(error)).toContain(`${name}: it runs only what`);
  expect(await host.runtime.listContainers()).toEqual([]);
});

test('a runtime that becomes available is used by the next call; within one it is asked once', async () => {
  const host = testHost({ vzLinux: marked('vz-linux') });
  await host.vzLinux.pullImage('app');
  let available = false;
  host.vzLinux.availability = async () => {
    host.vzLinux.availabilityCalls++;
    return available ? { available } : OFF;
  };
  await host.runtime.createContainer({ service: 'first', replica: 0 }, { image: 'app' });
  expect(host.vzLinux.availabilityCalls).toBe(1);
  available = true;
  await host.runtime.createContainer({ service: 'second', replica: 0 }, { image: 'app' });
  expect((await host.vzLinux.listContainers()).map((each) => each.id.service)).toEqual(['second']);
});

test('a runtime that cannot say whether it is available is passed over', async () => {
  const host = testHost();
  host.vzLinux.availability = () => Promise.reject(new Error('no idea'));
  expect(await landing(host)).toBe('the-qemu');
  await expect(
    host.runtime.createContainer({ service: 'other', replica: 0 }, { image: 'app', ...forced('vz-linux') }),
  ).rejects.toThrow('no idea');
});

test('a local store that cannot be read is an error: a marker may be in it', async () => {
  const host = testHost();
  host.qemu.inspectImage = () => Promise.reject(new ZlayerError('INTERNAL', 'the store is damaged'));
  await expect(landing(host)).rejects.toThrow('the store is damaged');
});

test('a runtime that cannot inspect images has no markers', async () => {
  const host = testHost({ qemu: { without: ['images.list'] } });
  expect(await landing(host)).toBe('the-vz-linux');
});

test('a pull goes to the runtime that would run the image', async () => {
  const host = testHost({ vzLinux: { architectures: ['arm64'] } });
  await host.runtime.pullImage('app', { platform: parsePlatform('linux/amd64') });
  expect(await host.qemu.listImages()).toHaveLength(1);
  expect(await host.vzLinux.listImages()).toEqual([]);
});

test('the order of preference is the one in which the delegates are given', async () => {
  const [first, second] = [new TestRuntime({ name: 'first' }), new TestRuntime({ name: 'second' })];
  const delegates = [second, first].map((runtime) => ({ runtime, kind: 'linux-vm', isolation: ['vm'] }) as const);
  await new CompositeRuntime({ delegates }).createContainer(id, { image: 'app', ...forced('vm') });
  expect(await second.listContainers()).toHaveLength(1);
});

const MAC = { os: 'darwin' } as const;

test('what is for macOS runs under Seatbelt or in a macOS VM, in the order of preference, never in a Linux VM', async () => {
  const spec = { platform: 'darwin/arm64' };
  expect(await landing(testHost({ sandbox: MAC, vz: MAC }), spec)).toBe('the-sandbox');
  expect(await landing(testHost({ sandbox: { ...MAC, availability: OFF }, vz: MAC }), spec)).toBe('the-vz');
  expect(await landing(testHost({ sandbox: MAC, vz: MAC }), { ...spec, ...forced('vz') })).toBe('the-vz');
  const none = await landing(testHost(), spec).catch((error: unknown) => error);
  expect(none).toMatchObject({ code: 'UNAVAILABLE' });
  expect(String(none)).toContain('the-vz-linux: it does not run darwin/arm64');
});

test('an image for macOS in a local store runs where macOS images run, and nowhere else', async () => {
  const platform = parsePlatform('darwin/arm64');
  const host = testHost({ sandbox: MAC, vz: MAC });
  await host.sandbox.pullImage('app', { platform });
  expect(await landing(host)).toBe('the-sandbox');
  const marker = testHost({ sandbox: MAC, vz: { ...MAC, ...marked('vz') } });
  await marker.vz.pullImage('app', { platform });
  expect(await landing(marker)).toBe('the-vz');
  const off = { ...MAC, availability: OFF };
  const gone = testHost({ sandbox: off, vz: off });
  await gone.sandbox.pullImage('app', { platform });
  await expect(landing(gone)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});

test('a Linux platform never leads out of a Linux VM, whatever the others declare', async () => {
  expect(await landing(testHost(), { platform: 'linux/arm64' })).toBe('the-vz-linux');
});

test.each(['windows/amd64', 'freebsd/arm64'])(
  '%s is INVALID_SPEC, which says that nobody runs such a system',
  async (platform) => {
    const error = await landing(testHost(), { platform }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'INVALID_SPEC' });
    expect(String(error)).toMatch(/no runtime runs the operating system "(?:windows|freebsd)"/);
  },
);
