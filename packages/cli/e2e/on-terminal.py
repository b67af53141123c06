"""Runs a program on a pseudo-terminal: on-terminal.py ROWS COLUMNS PROGRAM ARGUMENT...

Lines of JSON on standard input type or resize: {"type": "text"} and {"resize": [rows, columns]}. What the program writes
comes out on standard output. It ends with the program's exit code; the end of standard input ends the program.
"""
import fcntl, json, os, pty, select, signal, struct, sys, termios


def resize(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


pid, fd = pty.fork()
if pid == 0:
    # The size is set before the program looks at it.
    resize(0, int(sys.argv[1]), int(sys.argv[2]))
    os.execvp(sys.argv[3], sys.argv[3:])
pending = b""
while True:
    readable, _, _ = select.select([fd, 0], [], [])
    if fd in readable:
        try:
            data = os.read(fd, 65536)
        except OSError:
            data = b""
        if not data:
            break
        os.write(1, data)
    if 0 in readable:
        data = os.read(0, 65536)
        if not data:
            os.kill(pid, signal.SIGKILL)
            break
        pending += data
        *lines, pending = pending.split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "type" in message:
                os.write(fd, message["type"].encode())
            else:
                resize(fd, *message["resize"])
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status) % 256)
