import { chmodSync, linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { directoryEntries } from './directory-entries.ts';

test('a directory tree becomes a layer with its types, modes, links and contents', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'zlayer-entries-'));
  try {
    mkdirSync(join(directory, 'bin'));
    writeFileSync(join(directory, 'bin/app'), 'program');
    chmodSync(join(directory, 'bin/app'), 0o4755);
    utimesSync(join(directory, 'bin/app'), 1234, 1234);
    linkSync(join(directory, 'bin/app'), join(directory, 'bin/same'));
    symlinkSync('bin/app', join(directory, 'link'));
    expect(await directoryEntries(directory)).toMatchObject([
      { type: 'directory', path: './' },
      { type: 'directory', path: 'bin/' },
      { path: 'bin/app', mode: 0o4755, mtime: 1234, content: Buffer.from('program') },
      { type: 'hardlink', path: 'bin/same', linkPath: 'bin/app' },
      { type: 'symlink', path: 'link', linkPath: 'bin/app' },
    ]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
