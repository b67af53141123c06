import { ZlayerError } from './errors.ts';
import { quote, subjectOf } from './quote.ts';

const UNITS: Readonly<Record<string, bigint>> = {
  '': 1n,
  b: 1n,
  k: 1024n,
  kb: 1024n,
  ki: 1024n,
  kib: 1024n,
  m: 1024n ** 2n,
  mb: 1024n ** 2n,
  mi: 1024n ** 2n,
  mib: 1024n ** 2n,
  g: 1024n ** 3n,
  gb: 1024n ** 3n,
  gi: 1024n ** 3n,
  gib: 1024n ** 3n,
  t: 1024n ** 4n,
  tb: 1024n ** 4n,
  ti: 1024n ** 4n,
  tib: 1024n ** 4n,
};

/**
 * An amount of memory in bytes: `268435456`, `'512Mi'`, `'512mb'`, `'1.5Gi'`. As in Docker all units are powers of 1024,
 * and a fraction of a byte is dropped.
 *
 * @throws ZlayerError `INVALID_SPEC` when it is empty, negative, not a number, of an unknown unit, or too large for a
 * JavaScript number to hold exactly.
 */
export function parseMemory(amount: string | number): number {
  const refuse = (why: string): never => {
    throw new ZlayerError('INVALID_SPEC', `${quote(amount)} is not an amount of memory: ${why}`, {
      subject: subjectOf(amount),
      remedy: 'Use a whole number of bytes, or a number with a unit such as 512Mi or 2Gi.',
    });
  };
  if (typeof amount === 'number') {
    return Number.isSafeInteger(amount) && amount >= 0 ? amount : refuse('it is not a whole number of bytes');
  }
  const match = /^(\d{1,20})(?:\.(\d{1,20}))?\s*([a-z]{0,3})$/i.exec(amount.trim());
  if (!match) return refuse('it is not a number with a unit');
  const [, whole = '', fraction = '', unit = ''] = match;
  const factor = Object.hasOwn(UNITS, unit.toLowerCase()) ? UNITS[unit.toLowerCase()] : undefined;
  if (factor === undefined) return refuse(`the unit ${JSON.stringify(unit)} is unknown`);
  const bytes = (BigInt(whole + fraction) * factor) / 10n ** BigInt(fraction.length);
  return bytes <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(bytes) : refuse('it is too large');
}
