/** Output of two streams without an end, the same every time: lines, and parts of lines. */
export function* endlessOutput(): Generator<{ stream: 'stdout' | 'stderr'; data: Buffer }> {
  for (let i = 0; ; i += 1) {
    yield { stream: 'stdout', data: Buffer.from(`${'o'.repeat(i % 97)} ${i}\n`.repeat(1 + (i % 11))) };
    yield { stream: 'stderr', data: Buffer.from(i % 3 === 0 ? `error ${i}\n` : `${i},`) };
  }
}
