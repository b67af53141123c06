/** Datagrams to and from one port, such as one of a guest. */
export interface DatagramChannel {
  /** Sends a datagram; one that cannot be taken now is dropped, as datagrams are. */
  send(data: Uint8Array): void;
  /** Takes what comes back, from now on. Called once. */
  onMessage(listener: (data: Uint8Array) => void): void;
  /** Called once, when the channel has ended by itself. */
  onClose(listener: () => void): void;
  close(): void;
}
