/**
 * Every shell script that the suite runs, in `/bin/sh` of busybox. They are all in one table so that a runtime without
 * a shell, such as `FakeRuntime`, can bring a program for each. Where a script says `sleep 1` it only leaves time
 * between two outputs; no test depends on how long.
 */
export const CONFORMANCE_SCRIPTS = {
  /** Ends at once. */
  exit0: 'exit 0',
  exit41: 'exit 41',
  /** Ends by itself with a code that looks like SIGKILL's. */
  exit137: 'exit 137',
  /** Ends by a signal that it sends to itself. */
  dieOfSegv: 'kill -SEGV $$; sleep 10',
  /** Runs until SIGTERM, which it answers with exit code 7. */
  untilTerm: "trap 'exit 7' TERM; echo ready; while :; do sleep 1 & wait $!; done",
  /** Only SIGKILL ends it. */
  ignoreTerm: "trap '' TERM; echo ready; while :; do sleep 1; done",
  /** Writes down SIGHUP and SIGUSR1; ends with 41 on SIGINT and 42 on SIGTERM. */
  reportSignals:
    "trap 'echo HUP' HUP; trap 'echo USR1' USR1; trap 'exit 41' INT; trap 'exit 42' TERM; echo ready; " +
    'while :; do sleep 1 & wait $!; done',
  /** Four pieces of output on both streams, the last one without a newline. */
  logLines: "echo out 1; echo out 2; sleep 1; echo err 3 >&2; sleep 1; printf 'out 4'",
  /** Bytes that are no UTF-8, a NUL, and a line of 1 MiB. */
  rawBytes: "printf 'a\\377\\376\\000b\\n'; head -c 1048576 /dev/zero | tr '\\000' x; echo; echo end",
  /** 32 MiB of zeros. */
  flood: 'head -c 33554432 /dev/zero',
  /** Writes a line again and again. */
  ticker: 'while :; do echo tick; sleep 1; done',
  /** What the process finds around itself. */
  surroundings:
    'echo "cwd $(pwd)"; echo "uid $(id -u)"; echo "gid $(id -g)"; echo "image $CONFORMANCE_IMAGE"; ' +
    'echo "both $CONFORMANCE_BOTH"; echo "spec $CONFORMANCE_SPEC"; echo "args $*"',
  /** Its input is its output. */
  cat: 'cat',
  /** Reads its input to the end, writes more than anybody keeps, and leaves a file. */
  floodThenTouch: 'echo ready; cat; head -c 3000000 /dev/zero; : > "$1"',
  /** Writes to both streams and fails. */
  fail5: 'echo out; echo err >&2; exit 5',
  killItself: 'kill -KILL $$; sleep 10',
  /** The size of the terminal, before and after a line of input. */
  terminal: 'stty size; read line; stty size',
  /** Serves TCP on port 7777 and sends back what it receives. */
  echoServer: 'echo ready; exec nc -ll -p 7777 -e cat',
  /** Its files. */
  showFiles: 'cat "$@"',
  /** Tries to write a line to each file. */
  tryWrites:
    'for file; do if (echo new >> "$file") 2>/dev/null; then echo "wrote $file"; else echo "refused $file"; fi; done',
  /** Adds a line to each file, and says how many there are. */
  addLines: 'for file; do echo line >> "$file"; wc -l < "$file"; done',
  /** Tries to write so many bytes to a file. */
  fill: 'if head -c "$2" /dev/zero > "$1"; then echo filled; else echo full; fi',
  /** Modes in octal. */
  modes: 'stat -c %a "$@"',
  /** Is there a file? */
  isThere: '[ -e "$1" ]',
  /** Has a file until SIGUSR1; ends with 7 on SIGTERM. */
  wellUntilUsr1:
    "touch /tmp/well; trap 'rm -f /tmp/well; echo sick' USR1; trap 'exit 7' TERM; echo ready; " +
    'while :; do sleep 1 & wait $!; done',
  /** Serves one page over HTTP on port 7780. */
  httpServer: 'mkdir -p /tmp/www; echo fine > /tmp/www/index.html; echo ready; exec httpd -f -p 7780 -h /tmp/www',
  hostname: 'hostname',
  ownPid: 'echo "pid $$"',
  /** Uses more and more memory. */
  eatMemory: 'echo ready; exec tail /dev/zero',
  /** Starts so many processes. */
  spawnMany: 'i=0; while [ $i -lt "$1" ]; do sleep 10 & i=$((i+1)); done; echo "started $i"',
  ulimits: 'echo "nofile $(ulimit -Sn) $(ulimit -Hn)"; echo "core $(ulimit -Sc) $(ulimit -Hc)"',
  /** Capabilities of the process and the most it can have, as hexadecimal masks. */
  capabilities: "grep -E '^Cap(Eff|Bnd):' /proc/self/status",
  /** Names of the network interfaces. */
  interfaces: "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '",
  addresses: 'ip addr',
  /** Ends after a while, whoever is there to see it. */
  exit41Later: 'echo waiting; sleep 1; exit 41',
} as const;

/** Name of a script of the suite. */
export type ConformanceScript = keyof typeof CONFORMANCE_SCRIPTS;
