/** Prints where GCC's headers of its Objective-C runtime are, of whichever version is there. */
import { objcHeaders } from './objc-runtime.ts';

process.stdout.write(`${objcHeaders()}\n`);
