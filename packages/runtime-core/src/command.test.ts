import { describe, expect, it } from 'vitest';
import { mergeCommand, mergeEnv, shellForm } from './command.ts';

describe('mergeCommand', () => {
  const both = { entrypoint: ['/entry', '-e'], command: ['default'] };

  it.each([
    ['the image alone', both, {}, ['/entry', '-e', 'default']],
    ['arguments replace the default command', both, { args: ['mine'] }, ['/entry', '-e', 'mine']],
    ['no arguments drop the default command', both, { args: [] }, ['/entry', '-e']],
    ['an entrypoint drops the default command', both, { entrypoint: ['/mine'] }, ['/mine']],
    ['an entrypoint with arguments', both, { entrypoint: ['/mine'], args: ['x'] }, ['/mine', 'x']],
    ['a cleared entrypoint runs the arguments', both, { entrypoint: [], args: ['x'] }, ['x']],
    ['a command without an entrypoint', { command: ['sh'] }, {}, ['sh']],
    ['arguments over a command without an entrypoint', { command: ['sh'] }, { args: ['ls'] }, ['ls']],
  ])('%s', (_, image, override, argv) => {
    expect(mergeCommand(image, override)).toEqual(argv);
  });

  it.each([
    ['no entrypoint, a shell command', undefined, shellForm('cmd p1'), ['/bin/sh', '-c', 'cmd p1']],
    ['no entrypoint, a command', undefined, ['cmd', 'p1'], ['cmd', 'p1']],
    ['an entrypoint alone', ['entry', 'p1'], undefined, ['entry', 'p1']],
    ['an entrypoint and a command', ['entry', 'p1'], ['cmd', 'p1'], ['entry', 'p1', 'cmd', 'p1']],
    ['an entrypoint and a shell command', ['entry'], shellForm('cmd'), ['entry', '/bin/sh', '-c', 'cmd']],
    ['a shell entrypoint alone', shellForm('entry p1'), undefined, ['/bin/sh', '-c', 'entry p1']],
    ['a shell entrypoint and a command', shellForm('entry'), ['cmd'], ['/bin/sh', '-c', 'entry', 'cmd']],
    ['an entrypoint cleared with an empty word', [''], ['cmd'], ['cmd']],
  ])('starts the same from an image and from a spec: %s', (_, entrypoint, command, argv) => {
    expect(mergeCommand({ entrypoint, command })).toEqual(argv);
    expect(mergeCommand({ command: ['unused'] }, { entrypoint: entrypoint ?? [], args: command })).toEqual(argv);
  });

  it.each([
    [{}, {}],
    [{ command: [''] }, {}],
    [both, { entrypoint: [''] }],
    [both, { entrypoint: [] }],
    [{ entrypoint: [], command: [] }, { args: [] }],
  ])('is an error when nothing is left to start: %j with %j', (image, override) => {
    expect(() => mergeCommand(image, override)).toThrow(expect.objectContaining({ code: 'INVALID_SPEC' }));
  });
});

describe('mergeEnv', () => {
  it('sets the variables of the spec over those of the image', () => {
    expect(mergeEnv(['PATH=/bin', 'A=1', 'EMPTY='], { A: '2', B: 'x=y' })).toEqual([
      ['PATH', '/bin'],
      ['A', '2'],
      ['EMPTY', ''],
      ['B', 'x=y'],
    ]);
  });

  it('lets the last of two equal names win and drops what is no assignment', () => {
    expect(mergeEnv(['A=1', 'A=2', 'nothing', '=x'])).toEqual([['A', '2']]);
    expect(mergeEnv(undefined)).toEqual([]);
  });
});
