import { ZlayerError } from './errors.ts';
import { quote, subjectOf } from './quote.ts';

/**
 * Signal numbers of Linux on x86-64 and arm64 (`man 7 signal`). Workloads run on Linux whatever the host is, so the
 * host's own numbers (`os.constants.signals`) would be wrong on a Mac.
 */
const NUMBERS = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGSTKFLT: 16,
  SIGCHLD: 17,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGTSTP: 20,
  SIGTTIN: 21,
  SIGTTOU: 22,
  SIGURG: 23,
  SIGXCPU: 24,
  SIGXFSZ: 25,
  SIGVTALRM: 26,
  SIGPROF: 27,
  SIGWINCH: 28,
  SIGIO: 29,
  SIGPWR: 30,
  SIGSYS: 31,
} as const;

/** The name of a Linux signal, with its `SIG`. */
export type SignalName = keyof typeof NUMBERS;

const ALIASES: Readonly<Record<string, number>> = { SIGIOT: 6, SIGPOLL: 29, SIGCLD: 17 };
const FIRST_REAL_TIME = 34;
const LAST = 64;

function byName(name: string): number | undefined {
  const full = name.startsWith('SIG') ? name : `SIG${name}`;
  if (Object.hasOwn(NUMBERS, full)) return NUMBERS[full as SignalName];
  if (Object.hasOwn(ALIASES, full)) return ALIASES[full];
  const realTime = /^SIGRT(MIN(?:\+(\d+))?|MAX(?:-(\d+))?)$/.exec(full);
  if (!realTime) return undefined;
  const number = realTime[1]?.startsWith('MIN')
    ? FIRST_REAL_TIME + Number(realTime[2] ?? 0)
    : LAST - Number(realTime[3] ?? 0);
  return number >= FIRST_REAL_TIME && number <= LAST ? number : undefined;
}

/**
 * The number of a Linux signal: `SIGTERM`, `TERM`, `term`, `SIGRTMIN+1`, `15` and `'15'` are all understood.
 *
 * @throws ZlayerError `INVALID_SPEC` for anything else: an unknown signal never becomes another one.
 */
export function signalNumber(signal: string | number): number {
  const text = String(signal).trim().toUpperCase();
  const number = /^\d{1,2}$/.test(text) ? Number(text) : byName(text);
  if (number === undefined || number < 1 || number > LAST) {
    throw new ZlayerError('INVALID_SPEC', `unknown signal ${quote(signal)}`, {
      subject: subjectOf(signal),
      remedy: 'Use a Linux signal such as SIGTERM, KILL, SIGRTMIN+1 or a number from 1 to 64.',
    });
  }
  return number;
}

/** The name of a Linux signal, or `undefined` for a number that has none (real-time signals are `SIGRTMIN+n`). */
export function signalName(number: number): string | undefined {
  const named = Object.entries(NUMBERS).find(([, value]) => value === number)?.[0];
  if (named) return named;
  if (!Number.isInteger(number) || number < FIRST_REAL_TIME || number > LAST) return undefined;
  return number === FIRST_REAL_TIME ? 'SIGRTMIN' : `SIGRTMIN+${number - FIRST_REAL_TIME}`;
}

/** The signal that an exit code of 128 + N stands for, or `undefined` for an ordinary exit code. */
export function signalOfExitCode(code: number): number | undefined {
  return code > 128 && code <= 128 + LAST ? code - 128 : undefined;
}

/**
 * The exit code of a process that a signal ended: 128 + N.
 *
 * @throws ZlayerError `INVALID_SPEC` for what is no Linux signal.
 */
export function exitCodeOfSignal(signal: string | number): number {
  return 128 + signalNumber(signal);
}
