import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

const ETHER_IPV4 = 0x0800;
const ETHER_ARP = 0x0806;
const UDP = 17;
const SERVER_PORT = 67;
const CLIENT_PORT = 68;
const COOKIE = [99, 130, 83, 99];
const BROADCAST_MAC = Buffer.alloc(6, 0xff);
/** The MAC address of every server at the far end of the cable. */
const OWN_MAC = Buffer.from([0x52, 0x54, 0, 0, 0, 1]);

const QUESTIONS: Readonly<Record<number, DhcpQuestion['type']>> = { 1: 'discover', 3: 'request' };
const ANSWERS = { offer: 2, ack: 5, nak: 6 } as const;

/** What a DHCP client asked, and when (`performance.now()`). Addresses that it did not say are `0.0.0.0`. */
export interface DhcpQuestion {
  at: number;
  type: 'discover' | 'request' | 'other';
  transaction: number;
  mac: Buffer;
  /** Where the packet went: an address, or 255.255.255.255. */
  sentTo: string;
  /** The address that it has. */
  own: string;
  /** The address that it wants. */
  requested: string;
  /** The server whose offer it takes. */
  server: string;
}

/** What a DHCP server says; the rest is taken from the question. */
export interface DhcpAnswer {
  type: keyof typeof ANSWERS;
  address?: string;
  /** The server's address, in the packet's header and as its option; with null there is no such option. */
  server: string | null;
  /** Seconds. */
  lease?: number;
  renewal?: number;
  rebinding?: number;
  /** Options as they are sent, in place of all of the above but the address. */
  options?: Buffer;
  /** In place of the question's. */
  transaction?: number;
  mac?: Buffer;
}

/**
 * The far end of a guest's network cable (QEMU's `-netdev socket,udp=`): takes each frame apart, answers who has an
 * address of the network 10.1.0.0/24 below 10.1.0.10, and leaves what DHCP's servers say to the test.
 */
export class DhcpWire implements AsyncDisposable {
  readonly #socket: Socket;
  readonly #questions: DhcpQuestion[] = [];
  /** Where QEMU's end is, once it has sent something. */
  #port = 0;
  #arrived = Promise.withResolvers<void>();

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('message', (frame, sender) => this.#take(frame, sender.port));
  }

  static async open(): Promise<DhcpWire> {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return new DhcpWire(socket);
  }

  /** QEMU's arguments for a guest's end of the cable. */
  get devices(): string[] {
    const { port } = this.#socket.address() as AddressInfo;
    const cable = `socket,id=wire,udp=127.0.0.1:${port},localaddr=127.0.0.1:0`;
    return ['-netdev', cable, '-device', 'virtio-net-pci,netdev=wire,mac=52:54:00:aa:bb:cc'];
  }

  /** The next question, or the next of a kind: those of other kinds before it are passed over. */
  async question(type?: DhcpQuestion['type']): Promise<DhcpQuestion> {
    for (;;) {
      for (let next = this.#questions.shift(); next !== undefined; next = this.#questions.shift()) {
        if (type === undefined || next.type === type) return next;
      }
      await this.#arrived.promise;
    }
  }

  /** All that was asked and not taken yet. */
  questions(): DhcpQuestion[] {
    return this.#questions.splice(0);
  }

  answer(question: DhcpQuestion, answer: DhcpAnswer): void {
    const message = Buffer.alloc(240);
    message.set([2, 1, 6, 0]);
    message.writeUInt32BE(answer.transaction ?? question.transaction, 4);
    message.set(bytesOf(answer.address ?? '0.0.0.0'), 16);
    message.set(answer.mac ?? question.mac, 28);
    message.set(COOKIE, 236);
    const source = answer.server ?? '10.1.0.9';
    const payload = Buffer.concat([message, answer.options ?? optionsOf(answer)]);
    // To the address that it has, or to everybody while it has none.
    const to = question.own === '0.0.0.0' ? '255.255.255.255' : question.own;
    this.#send(udpFrame({ source, to, mac: question.mac }, payload));
  }

  #send(frame: Buffer): void {
    this.#socket.send(frame, this.#port, '127.0.0.1');
  }

  #take(frame: Buffer, port: number): void {
    this.#port = port;
    if (frame.length < 42) return;
    const type = frame.readUInt16BE(12);
    if (type === ETHER_ARP) this.#resolve(frame.subarray(14));
    if (type === ETHER_IPV4) this.#read(frame.subarray(14));
  }

  #read(ip: Buffer): void {
    if (ip[0] !== 0x45 || ip[9] !== UDP) return;
    const udp = ip.subarray(20);
    if (udp.readUInt16BE(0) !== CLIENT_PORT || udp.readUInt16BE(2) !== SERVER_PORT) return;
    this.#questions.push(questionOf(udp.subarray(8), addressOf(ip, 16)));
    this.#arrived.resolve();
    this.#arrived = Promise.withResolvers();
  }

  #resolve(arp: Buffer): void {
    const isAsked = arp.readUInt16BE(6) === 1 && /^10\.1\.0\.[1-9]$/.test(addressOf(arp, 24));
    // One that asks for an address before it takes it has none itself: nobody is to tell that it is in use.
    if (!isAsked || addressOf(arp, 14) === '0.0.0.0') return;
    const asker = arp.subarray(8, 18);
    const reply = Buffer.concat([
      Buffer.from([0, 1, ETHER_IPV4 >> 8, 0, 6, 4, 0, 2]),
      OWN_MAC,
      arp.subarray(24, 28),
      asker,
    ]);
    this.#send(Buffer.concat([etherHeader(arp.subarray(8, 14), ETHER_ARP), reply]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#socket, 'close');
    this.#socket.close();
    await closed;
  }
}

function questionOf(message: Buffer, sentTo: string): DhcpQuestion {
  const question: DhcpQuestion = {
    at: performance.now(),
    type: 'other',
    transaction: message.readUInt32BE(4),
    mac: Buffer.from(message.subarray(28, 34)),
    sentTo,
    own: addressOf(message, 12),
    requested: '0.0.0.0',
    server: '0.0.0.0',
  };
  for (let at = 240; message[at] !== undefined && message[at] !== 255; at += 2 + (message[at + 1] ?? 0)) {
    if (message[at] === 53) question.type = QUESTIONS[message[at + 2] ?? 0] ?? 'other';
    if (message[at] === 50) question.requested = addressOf(message, at + 2);
    if (message[at] === 54) question.server = addressOf(message, at + 2);
  }
  return question;
}

function optionsOf({ type, server, lease, renewal, rebinding }: DhcpAnswer): Buffer {
  const seconds = (option: number, value: number | undefined): Buffer => {
    const field = Buffer.from([option, 4, 0, 0, 0, 0]);
    field.writeUInt32BE(value ?? 0, 2);
    return value === undefined ? Buffer.alloc(0) : field;
  };
  const router = server ?? '10.1.0.9';
  return Buffer.concat([
    Buffer.from([53, 1, ANSWERS[type]]),
    ...(server === null ? [] : [Buffer.from([54, 4, ...bytesOf(server)])]),
    Buffer.from([1, 4, 255, 255, 255, 0, 3, 4, ...bytesOf(router), 6, 4, ...bytesOf(router)]),
    seconds(51, lease),
    seconds(58, renewal),
    seconds(59, rebinding),
    Buffer.from([255]),
  ]);
}

function udpFrame({ source, to, mac }: { source: string; to: string; mac: Buffer }, payload: Buffer): Buffer {
  const udp = Buffer.alloc(8);
  udp.writeUInt16BE(SERVER_PORT, 0);
  udp.writeUInt16BE(CLIENT_PORT, 2);
  udp.writeUInt16BE(8 + payload.length, 4); // without a checksum, as IPv4 allows
  const ip = Buffer.alloc(20);
  ip.set([0x45, 0]);
  ip.writeUInt16BE(28 + payload.length, 2);
  ip.set([64, UDP], 8);
  ip.set(bytesOf(source), 12);
  ip.set(bytesOf(to), 16);
  ip.writeUInt16BE(internetChecksum(ip), 10);
  const destination = to === '255.255.255.255' ? BROADCAST_MAC : mac;
  return Buffer.concat([etherHeader(destination, ETHER_IPV4), ip, udp, payload]);
}

function etherHeader(to: Buffer, type: number): Buffer {
  return Buffer.concat([to, OWN_MAC, Buffer.from([type >> 8, type & 0xff])]);
}

function internetChecksum(header: Buffer): number {
  let sum = 0;
  for (let at = 0; at < header.length; at += 2) sum += header.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function addressOf(bytes: Buffer, at: number): string {
  return bytes.subarray(at, at + 4).join('.');
}

function bytesOf(address: string): number[] {
  return address.split('.').map(Number);
}
