import { once } from 'node:events';
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { BuiltImage } from '../src/testing/index.ts';

export type Handler = (request: IncomingMessage, response: ServerResponse, path: string) => void | Promise<void>;

export interface HttpServerRequest {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
}

export interface HttpServer extends AsyncDisposable {
  /** `127.0.0.1:port`. */
  readonly host: string;
  /** Every request that came. */
  readonly requests: HttpServerRequest[];
}

/** A real HTTP server on a free loopback port. */
export async function startHttpServer(
  handler: Handler,
  create: (listener: RequestListener) => Server = createServer,
): Promise<HttpServer> {
  const requests: HttpServer['requests'] = [];
  const server = create((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
    requests.push({ method: request.method ?? '', path: pathname, query: searchParams, headers: request.headers });
    Promise.resolve(handler(request, response, pathname)).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return {
    host: `127.0.0.1:${address.port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Answers as an honest registry that has one image, under any name and tag. */
export function serveImage(image: BuiltImage): Handler {
  const blobs = new Map([image.manifest, image.config, ...image.layers].map((blob) => [blob.digest as string, blob]));
  return (_, response, path) => {
    const target = path.slice(path.lastIndexOf('/') + 1);
    const blob = blobs.get(target) ?? (path.includes('/manifests/') ? image.manifest : undefined);
    if (blob === undefined) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-type': blob.mediaType, 'content-length': blob.size }).end(blob.bytes);
  };
}

/** Hands requests on to another server, as a mirror or a proxy does; the other one hears its own name. */
export function forwardTo(host: string): Handler {
  return async (request, response) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const headers = { ...request.headers, host: request.headers.host ?? host };
    const onward = httpRequest(`http://${host}${request.url}`, { method: request.method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      pipeline(answer, response).then(resolve, reject);
    });
    onward.once('error', reject);
    response.once('close', () => onward.destroy());
    request.pipe(onward);
    await promise;
  };
}
