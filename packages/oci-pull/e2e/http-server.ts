import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { BuiltImage } from '../src/testing/index.ts';

export type Handler = (request: IncomingMessage, response: ServerResponse, path: string) => void | Promise<void>;

export interface HttpServer extends AsyncDisposable {
  /** `127.0.0.1:port`. */
  readonly host: string;
  /** Every request: method, path and the headers. */
  readonly requests: { path: string; query: URLSearchParams; headers: IncomingMessage['headers'] }[];
}

/** A real HTTP server on a free loopback port. */
export async function startHttpServer(handler: Handler): Promise<HttpServer> {
  const requests: HttpServer['requests'] = [];
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
    requests.push({ path: pathname, query: searchParams, headers: request.headers });
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
