import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PROGRAM } from './zlayer.ts';

const run = promisify(execFile);

/** What is typed, and what it becomes. */
const LINES: readonly (readonly [typed: string, completed: string])[] = [
  ['zlayer unp', 'zlayer unpause'],
  ['zlayer run --health-re', 'zlayer run --health-retries'],
  ['zlayer pull --policy nev', 'zlayer pull --policy never'],
  ['zlayer stop w', 'zlayer stop web-0'],
  ['zlayer stop web-0 d', 'zlayer stop web-0 db-0'],
];

/** Each prints the last word as the shell completes it, given the line as its argument. */
const SHELLS = {
  bash: {
    args: ['--norc', '-c'],
    script: `source <(zlayer completion bash)
read -ra COMP_WORDS <<<"$1"; COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
[[ $(complete -p zlayer) =~ -F\\ ([^ ]+) ]] && "\${BASH_REMATCH[1]}" && printf '%s\\n' "\${COMPREPLY[@]}"`,
  },
  fish: { args: ['--no-config', '-c'], script: 'zlayer completion fish | source; complete -C $argv[1]' },
  zsh: {
    args: ['-f', '-c'],
    // Only a line editor completes in zsh: a second zsh has one, on a pseudo-terminal, and tells its line when asked.
    script: `zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'autoload -Uz compinit; compinit -u -d "$HOME/dump"; source <(zlayer completion zsh)'
zpty -w shell 'tell() { zle complete-word; print -r -- "<""<$BUFFER>"">"; }; zle -N tell'
zpty -w shell 'bindkey "^T" tell; print rea""dy'
zpty -r shell line $'*\\nready*'
zpty -w -n shell "$1"$'\\x14'
zpty -r shell answer '*<<*>>*'
zpty -d shell
answer=\${\${answer##*<<}%>>*}
print -r -- "\${\${answer% }##* }"`,
  },
} as const;

describe('completion', () => {
  let home: string;
  let env: NodeJS.ProcessEnv;

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'zlayer-completion-'));
    await symlink(PROGRAM, join(home, 'zlayer'));
    for (const name of ['web-0', 'db-0'])
      await mkdir(join(home, 'data', 'qemu', 'containers', name), { recursive: true });
    const path = [home, dirname(process.execPath), process.env['PATH']].join(delimiter);
    env = { PATH: path, HOME: home, TERM: 'xterm', ZLAYER_DATA_DIR: join(home, 'data') };
  });

  afterAll(() => rm(home, { recursive: true, force: true }));

  describe.each(Object.entries(SHELLS))('in %s', (shell, { args, script }) => {
    it.each(LINES)('makes a name of what is typed: %s', { timeout: 20_000 }, async (typed, completed) => {
      const words = shell === 'fish' ? [typed] : [shell, typed];
      const { stdout } = await run(shell, [...args, script, ...words], { env, timeout: 15_000 });
      expect(stdout.trim()).toBe(completed.split(' ').at(-1));
    });
  });
});
