import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * Pushes an image of a layout, with all its platforms, to a registry that speaks plain HTTP. Needs `skopeo`.
 *
 * @param target Such as `127.0.0.1:5000/busybox:latest`.
 */
export async function pushLayout(directory: string, name: string, target: string): Promise<void> {
  const options = ['--all', '--preserve-digests', '--dest-tls-verify=false', '--insecure-policy'];
  await run('skopeo', ['copy', ...options, `oci:${directory}:${name}`, `docker://${target}`]);
}
