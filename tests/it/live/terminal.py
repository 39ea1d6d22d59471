"""Runs a program in a terminal of its own, as a shell with job control would, and says what came of it.

Its argument is a JSON object: `program`, `rows`, `columns`, `environment`, and `steps`, which are done one after the
other: {"wait": TEXT}, {"send": KEYS}, {"signal": NAME}, {"resize": [ROWS, COLUMNS]}, {"stopped": true} waits until the
program stops, {"continue": true} brings it back to the foreground, {"hangup": true} closes the terminal, of which the
shell tells the program as shells do. With `outlives` the program was told before to ignore that, as `nohup` does. It
prints one object: what the terminal was sent, the exit code, whether the modes are those of before, and which steps
were done.
"""

import fcntl
import json
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

GIVEN = json.loads(sys.argv[1])
LIMIT = time.monotonic() + 60


def resize(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def shell(slave):
    """The leader of the session: starts the program as its foreground job and takes orders on a pipe."""
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os.tcsetpgrp(slave, os.getpid())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        if GIVEN.get("outlives"):
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for fd in (0, 1, 2):
            os.dup2(slave, fd)
        os.environ.clear()
        os.environ.update(GIVEN["environment"])
        os.execvp(GIVEN["program"][0], GIVEN["program"])
    try:
        os.setpgid(child, child)
    except OSError:
        pass
    signal.signal(signal.SIGHUP, lambda *_: os.killpg(child, signal.SIGHUP))
    return child


def main():
    master, slave = pty.openpty()
    resize(slave, GIVEN["rows"], GIVEN["columns"])
    before = termios.tcgetattr(slave)
    child = shell_process(master, slave)
    told = child["told"]
    seen, searched, done, end = b"", 0, 0, None
    steps = GIVEN["steps"]
    while time.monotonic() < LIMIT and end is None:
        while done < len(steps):
            step = steps[done]
            if "wait" in step:
                found = seen.find(step["wait"].encode(), searched)
                if found < 0:
                    break
                searched = found
            elif "stopped" in step:
                if child["state"] != "stopped":
                    break
                child["state"] = "runs"
                done += 1
                seen += b"<stopped>"
                continue
            elif "send" in step:
                os.write(master, step["send"].encode())
            elif "signal" in step:
                os.kill(child["pid"], getattr(signal, step["signal"]))
            elif "hangup" in step:
                os.close(master)
                os.close(slave)
                master = None
            elif "resize" in step:
                resize(master, *step["resize"])
                searched = len(seen)
            elif "continue" in step:
                searched = len(seen)
                os.write(child["orders"], b"c")
            done += 1
        ready, _, _ = select.select([fd for fd in (master, told) if fd is not None], [], [], 0.5)
        if master in ready:
            try:
                seen += os.read(master, 65536)
            except OSError:
                pass
        if told in ready:
            line = os.read(told, 4096).decode()
            for word in line.split():
                if word.startswith("pid="):
                    child["pid"] = int(word[4:])
                elif word == "stopped":
                    child["state"] = "stopped"
                elif word.startswith("end="):
                    end = int(word[4:])
    while master is not None and select.select([master], [], [], 0.2)[0]:
        try:
            more = os.read(master, 65536)
        except OSError:
            break
        if not more:
            break
        seen += more
    after = termios.tcgetattr(slave) if master is not None else None
    print(json.dumps({
        "seen": seen.decode("utf-8", "replace"),
        "exit": end,
        "modes_kept": before == after,
        "done": done,
    }))
    if end is None and child["pid"]:
        os.kill(child["pid"], signal.SIGKILL)


def shell_process(master, slave):
    """Forks the shell; it says `pid=`, `stopped` and `end=` on a pipe."""
    told, say = os.pipe()
    heard, orders = os.pipe()
    leader = os.fork()
    if leader == 0:
        os.close(master)
        child = shell(slave)
        os.write(say, b"pid=%d " % child)
        while True:
            _, status = os.waitpid(child, os.WUNTRACED)
            if os.WIFSTOPPED(status):
                os.tcsetpgrp(slave, os.getpid())
                os.write(say, b"stopped ")
                os.read(heard, 1)
                os.tcsetpgrp(slave, child)
                os.killpg(child, signal.SIGCONT)
                continue
            code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
            os.write(say, b"end=%d " % code)
            time.sleep(0.5)
            os._exit(0)
    return {"told": told, "orders": orders, "pid": 0, "state": "runs"}


main()
