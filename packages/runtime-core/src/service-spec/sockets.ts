import { z } from 'zod';
import { InvalidSpecError } from '../errors.ts';
import { quote, subjectOf } from '../quote.ts';
import { parsedBy } from './checked-by.ts';
import { absolutePath } from './container-path.ts';

/** The longest path of a socket that every host takes, without the NUL at its end. */
const MAX_SOCKET_PATH_BYTES = 103;

const wholeMapping = z.strictObject({
  /** Absolute path on the host, in a directory that is there; at most 103 bytes. */
  hostPath: absolutePath('the path of a socket on the host').refine(
    (path) => new TextEncoder().encode(path).byteLength <= MAX_SOCKET_PATH_BYTES,
    `the path of a socket on the host has at most ${MAX_SOCKET_PATH_BYTES} bytes`,
  ),
  /** Absolute path in the container. */
  containerPath: absolutePath('the path of a socket in the container'),
});

/** A socket in full, or the short text `/host/path:/container/path`. */
export const socketMapping = z.union([
  z.string().transform(parsedBy(readShortSocket)).pipe(wholeMapping),
  wholeMapping,
]);
/** A Unix socket of the host that leads to one of the container. */
export type SocketMapping = z.output<typeof wholeMapping>;

function readShortSocket(text: string): z.input<typeof wholeMapping> {
  const [hostPath, containerPath, ...rest] = text.split(':');
  if (hostPath !== undefined && containerPath !== undefined && rest.length === 0) return { hostPath, containerPath };
  throw new InvalidSpecError(`${quote(text)} is not a socket mapping`, {
    subject: subjectOf(text),
    remedy: 'Use /host/path:/container/path, or write it in full.',
  });
}

/** Reports paths of the host that are taken twice. */
export function refuseEqualHostPaths({ value, issues }: z.core.ParsePayload<{ hostPath: string }[]>): void {
  const seen = new Map<string, number>();
  for (const [index, { hostPath }] of value.entries()) {
    const first = seen.get(hostPath);
    if (first === undefined) seen.set(hostPath, index);
    else {
      const message = `${hostPath} of the host is taken by sockets[${first}] already`;
      issues.push({ code: 'custom', input: hostPath, path: [index, 'hostPath'], message });
    }
  }
}
