import { BlockList, isIP } from 'node:net';
import { OciError } from './errors.ts';
import { isLoopback } from './loopback.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The proxy that the environment wants for a URL: `HTTPS_PROXY` or `HTTP_PROXY`, unless `NO_PROXY` names the host.
 * Lower case goes before upper case; loopback hosts are never asked through a proxy.
 *
 * @throws {OciError} `CONNECTION_FAILED` if the variable is no URL of a proxy.
 */
export function proxyFor(url: URL, environment: Environment = process.env): URL | undefined {
  if (isLoopback(url)) return undefined;
  const name = url.protocol === 'https:' ? 'https_proxy' : 'http_proxy';
  const value = (environment[name] || environment[name.toUpperCase()] || '').trim();
  if (value === '' || isExempt(url, environment['no_proxy'] || environment['NO_PROXY'] || '')) return undefined;
  const text = value.includes('://') ? value : `http://${value}`;
  const proxy = URL.canParse(text) ? new URL(text) : undefined;
  if (proxy === undefined || proxy.hostname === '' || !['http:', 'https:'].includes(proxy.protocol)) {
    throw new OciError('CONNECTION_FAILED', `The environment variable ${name.toUpperCase()} is no URL of a proxy.`, {
      subject: name.toUpperCase(),
      remedy: 'Write it as http://host:port or https://host:port, or leave it out.',
    });
  }
  return proxy;
}

/** `*`, hosts with their subdomains, IP addresses and networks, each with a port if only that one is meant. */
function isExempt(url: URL, list: string): boolean {
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  const host = bare(url.hostname);
  return list
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => {
      const match = /^(\[[^\]]*\]|[^:]*)(?::([0-9]+))?$/.exec(entry);
      const name = bare(match?.[1] ?? entry);
      if (match?.[2] !== undefined && match[2] !== port) return false;
      if (name === '*') return true;
      if (isIP(host) > 0) return name === host || inNetwork(host, name);
      const domain = name.replace(/^\*?\./, '');
      return (host === domain && !name.startsWith('*')) || host.endsWith(`.${domain}`);
    });
}

function inNetwork(address: string, network: string): boolean {
  const [base = '', prefix = ''] = network.split('/', 2);
  const version = isIP(base);
  if (version === 0 || version !== isIP(address) || !/^[0-9]{1,3}$/.test(prefix)) return false;
  if (Number(prefix) > (version === 6 ? 128 : 32)) return false;
  const family = version === 6 ? 'ipv6' : 'ipv4';
  const list = new BlockList();
  list.addSubnet(base, Number(prefix), family);
  return list.check(address, family);
}

function bare(host: string): string {
  return host
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '')
    .toLowerCase();
}
