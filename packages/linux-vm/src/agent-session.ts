import type { Duplex } from 'node:stream';
import type { Vm } from '@zlayer/host';
import { type OutputChunk, ZlayerError } from '@zlayer/runtime-core';
import { CONTROL_PORT, encodeFrame, FrameDecoder, type Message, type MessageOf } from '@zlayer/vzagent-proto';
import { printable } from './console-tail.ts';

/** How much of a text that the guest sends ends up in an error. */
const MAX_MESSAGE = 2048;

/** Most bytes of input in one frame: what the agent has to hold for a workload that does not read. */
const MAX_INPUT_FRAME = 64 * 1024;

/** Takes the output of a workload; what it returns is awaited before more is read. */
export type OutputSink = (chunk: OutputChunk) => Promise<void>;

/**
 * One control connection to the agent in a guest, on which a workload is started and its output comes back. The guest is
 * not trusted: a message that has no business here ends the session with an error.
 */
export class AgentSession implements Disposable {
  readonly #connection: Duplex;
  readonly #messages: AsyncGenerator<Message, void>;
  #inputIsOpen = false;

  constructor(connection: Duplex) {
    this.#connection = connection;
    // The reader below reports a failure; without a listener it would end the program in between.
    connection.on('error', () => {});
    this.#messages = readMessages(connection);
  }

  /**
   * Starts the workload, once in a session.
   *
   * @returns its process id in the guest.
   * @throws ZlayerError `START_FAILED` with the agent's reason, `INTERNAL` when the connection is lost before an answer.
   */
  async run(request: MessageOf<'Run'>, { openStdin = false }: { openStdin?: boolean } = {}): Promise<number> {
    await this.#send(request);
    // Where nothing will be written to the workload, a reader must not wait for it.
    if (openStdin) this.#inputIsOpen = true;
    else await this.#send({ type: 'StdinEof' });
    const { value: answer } = await this.#messages.next();
    if (answer?.type === 'Started') return answer.pid;
    if (answer?.type === 'Error') {
      const message = printable(answer.message).slice(0, MAX_MESSAGE);
      throw new ZlayerError('START_FAILED', message, { subject: request.argv[0] });
    }
    throw new ZlayerError(
      'INTERNAL',
      answer
        ? `the guest agent answered Run with ${answer.type}`
        : 'the guest agent closed the connection instead of answering Run',
    );
  }

  /**
   * Hands the workload's output on until it has ended.
   *
   * @returns its exit code, 128 + N for a signal.
   * @throws ZlayerError `INTERNAL` when the connection ends before the exit code came: it is unknown then.
   */
  async drain(sink: OutputSink): Promise<number> {
    for await (const message of this.#messages) {
      if (message.type === 'Stdout') await sink({ stream: 'stdout', data: message.data });
      else if (message.type === 'Stderr') await sink({ stream: 'stderr', data: message.data });
      else if (message.type === 'Exited') return exitCode(message.code);
      // An error at this point answers a signal or other request; the workload goes on.
      else if (message.type !== 'Error')
        throw new ZlayerError('INTERNAL', `the guest agent sent an unexpected ${message.type}`);
    }
    throw new ZlayerError('INTERNAL', 'the connection to the guest agent was lost, so the exit code is unknown');
  }

  /** The workload's standard input. A write resolves when there is room for the next: the agent stops reading when there is none. */
  readonly input = {
    isOpen: () => this.#inputIsOpen,
    write: async (data: Uint8Array): Promise<void> => {
      for (let start = 0; start < data.byteLength; start += MAX_INPUT_FRAME) {
        await this.#send({ type: 'Stdin', data: data.subarray(start, start + MAX_INPUT_FRAME) });
      }
    },
    end: async (): Promise<void> => {
      this.#inputIsOpen = false;
      await this.#send({ type: 'StdinEof' });
    },
  };

  [Symbol.dispose](): void {
    this.#connection.destroy();
  }

  #send(message: Message): Promise<void> {
    return send(this.#connection, message);
  }
}

/**
 * Sends the workload a signal, on a connection of its own: on the session's it would wait behind input that the workload
 * does not read.
 */
export async function signalWorkload(vm: Pick<Vm, 'connect'>, signum: number): Promise<void> {
  const connection = await vm.connect(CONTROL_PORT);
  connection.on('error', () => {});
  try {
    await send(connection, { type: 'Signal', signum });
  } finally {
    connection.end();
    connection.resume();
  }
}

async function send(connection: Duplex, message: Message): Promise<void> {
  const frame = encodeFrame(message);
  await new Promise<void>((resolve, reject) => {
    connection.write(frame, (cause) => {
      if (!cause) return resolve();
      const text = `cannot send ${message.type} to the guest agent: ${cause.message}`;
      reject(new ZlayerError('INTERNAL', text, { cause }));
    });
  });
}

function exitCode(code: number): number {
  if (code >= 0 && code <= 255) return code;
  throw new ZlayerError('INTERNAL', `the guest agent reported the impossible exit code ${code}`);
}

async function* readMessages(connection: Duplex): AsyncGenerator<Message, void> {
  const decoder = new FrameDecoder({ direction: 'toHost' });
  for await (const chunk of connection) yield* decoder.push(chunk as Uint8Array);
  decoder.end();
}
