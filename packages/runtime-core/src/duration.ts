import { ZlayerError } from './errors.ts';
import { quote, subjectOf } from './quote.ts';

const AMOUNT = String.raw`(\d{1,15}(?:\.\d{1,9})?)`;
const DURATION = new RegExp(
  `^(?:${AMOUNT}w)?(?:${AMOUNT}d)?(?:${AMOUNT}h)?(?:${AMOUNT}m)?(?:${AMOUNT}s)?(?:${AMOUNT}ms)?$`,
);
const MILLISECONDS = [604_800_000n, 86_400_000n, 3_600_000n, 60_000n, 1000n, 1n];

/**
 * A length of time in milliseconds: a number is milliseconds already; a text has units, the larger ones first: `500ms`,
 * `10s`, `1m30s`, `1.5h`, `1d12h`, `2w`. A fraction of a millisecond is dropped.
 *
 * @throws ZlayerError `INVALID_SPEC` when it is empty, negative, without a unit, of an unknown unit, or too large for a
 * JavaScript number to hold exactly.
 */
export function parseDuration(duration: string | number): number {
  const refuse = (why: string): never => {
    throw new ZlayerError('INVALID_SPEC', `${quote(duration)} is not a length of time: ${why}`, {
      subject: subjectOf(duration),
      remedy: 'Use a whole number of milliseconds, or text such as 500ms, 10s, 1m30s, 2h or 7d.',
    });
  };
  if (typeof duration === 'number') {
    return Number.isSafeInteger(duration) && duration >= 0 ? duration : refuse('it is not a whole number');
  }
  const text = duration.trim();
  if (text === '') return refuse('it is empty');
  if (/^\d+$/.test(text)) return refuse('it has no unit');
  const match = DURATION.exec(text);
  if (!match) return refuse('it is not made of weeks, days, hours, minutes, seconds and milliseconds, in that order');
  let billionths = 0n;
  for (const [index, factor] of MILLISECONDS.entries()) {
    const [whole = '0', fraction = ''] = (match[index + 1] ?? '0').split('.');
    billionths += BigInt(whole + fraction.padEnd(9, '0')) * factor;
  }
  const total = billionths / 10n ** 9n;
  return total <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(total) : refuse('it is too long');
}
