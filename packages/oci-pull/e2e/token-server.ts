import { execFile } from 'node:child_process';
import { createPrivateKey, sign, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type HttpServer, startHttpServer } from './http-server.ts';

const run = promisify(execFile);

export interface TokenServer extends HttpServer {
  /** PEM file that the registry must trust. */
  readonly certificateFile: string;
}

export const tokenService = 'zlayer test registry';
export const tokenIssuer = 'zlayer test issuer';

/** A token server of the distribution specification: it knows one account, which may do everything. */
export async function startTokenServer(
  directory: string,
  account: { username: string; password: string },
): Promise<TokenServer> {
  const keyFile = join(directory, 'token.key');
  const certificateFile = join(directory, 'token.pem');
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=zlayer'];
  await run('openssl', [...request, '-keyout', keyFile, '-out', certificateFile]);
  const key = createPrivateKey(await readFile(keyFile));
  const certificate = new X509Certificate(await readFile(certificateFile)).raw.toString('base64');
  const expected = `Basic ${Buffer.from(`${account.username}:${account.password}`).toString('base64')}`;

  const server = await startHttpServer((incoming, response) => {
    const { searchParams } = new URL(incoming.url ?? '/', 'http://localhost');
    const access = searchParams.getAll('scope').map((scope) => {
      const [type, name, actions] = scope.split(':');
      return { type, name, actions: actions?.split(',') };
    });
    if (incoming.headers.authorization !== expected || searchParams.get('service') !== tokenService) {
      response.writeHead(401).end();
      return;
    }
    const now = Math.floor(Date.now() / 1000);
    const header = encode({ typ: 'JWT', alg: 'RS256', x5c: [certificate] });
    const claims = encode({
      iss: tokenIssuer,
      sub: account.username,
      aud: tokenService,
      exp: now + 300,
      nbf: now - 10,
      iat: now,
      jti: String(now),
      access,
    });
    const signature = sign('sha256', Buffer.from(`${header}.${claims}`), key).toString('base64url');
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ token: `${header}.${claims}.${signature}`, expires_in: 300 }));
  });
  return { ...server, certificateFile };
}

function encode(part: unknown): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}
