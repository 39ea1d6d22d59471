"""Draws the live view of a real run as SVG: what the program has sent to a terminal some seconds into a fault.

    python3 docs/images/live.py PROGRAM > docs/images/live.svg

Knows the sequences that the view sends, and no others.
"""

import fcntl
import html
import os
import pty
import re
import select
import struct
import sys
import tempfile
import termios
import time

COLUMNS, ROWS = 100, 30
SCENARIO = ["-scenario", "packet-loss", "-duration", "20s", "-seed", "7"]
# So long after the view came up.
SECONDS = 13.5
COLOURS = {1: "#ff6b68", 2: "#7ec699", 3: "#e5c07b", 5: "#d38aea", 9: "#ff6b68"}
TEXT, GROUND = "#d8dee9", "#1b1f27"
CELL = (8.4, 17)
SEQUENCE = re.compile(rb"\x1b\[([?0-9;]*)([A-Za-z])|(\x1b.)|([^\x1b]+)", re.S)


def recorded(program):
    """Everything that the program sent until the moment."""
    folder = tempfile.mkdtemp()
    child, master = pty.fork()
    if child == 0:
        os.chdir(folder)
        for name in ("CI", "NO_COLOR"):
            os.environ.pop(name, None)
        os.environ.update(TERM="xterm-256color", LANG="C.UTF-8", LC_ALL="C.UTF-8")
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        os.execv(program, [program, *SCENARIO])
    seen, until = b"", None
    while until is None or time.monotonic() < until:
        if select.select([master], [], [], 0.1)[0]:
            seen += os.read(master, 65536)
        if until is None and b"\x1b[?1049h" in seen:
            until = time.monotonic() + SECONDS
    os.write(master, b"qq")
    while True:
        try:
            if not os.read(master, 65536):
                break
        except OSError:
            break
    os.waitpid(child, 0)
    return seen[seen.rindex(b"\x1b[?1049h"):]


def screen(sent):
    """Each cell as its sign and style."""
    cells = [[(" ", (None, False, False, False)) for _ in range(COLUMNS)] for _ in range(ROWS)]
    row, column, style = 0, 0, (None, False, False, False)
    for numbers, command, _, text in SEQUENCE.findall(sent):
        numbers = [int(part) for part in numbers.split(b";") if part.isdigit()]
        if command == b"H":
            row, column = (numbers + [1, 1])[:2]
            row, column = row - 1, column - 1
        elif command == b"m":
            style = styled(style, numbers or [0])
        for sign in text.decode("utf-8", "replace"):
            if 0 <= row < ROWS and 0 <= column < COLUMNS:
                cells[row][column] = (sign, style)
            column += 1
    return cells


def styled(style, numbers):
    colour, bold, dim, reverse = style
    rest = list(numbers)
    while rest:
        number = rest.pop(0)
        if number == 0:
            colour, bold, dim, reverse = None, False, False, False
        elif number in (38, 48) and len(rest) > 1 and rest[0] == 5:
            rest.pop(0)
            index = rest.pop(0)
            colour = index if number == 38 else colour
        elif number == 39:
            colour = None
        elif 30 <= number <= 37:
            colour = number - 30
        elif number == 1:
            bold = True
        elif number == 2:
            dim = True
        elif number == 22:
            bold = dim = False
        elif number in (7, 27):
            reverse = number == 7
    return colour, bold, dim, reverse


def svg(cells):
    width, height = CELL
    total = (COLUMNS * width + 24, ROWS * height + 24)
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total[0]:.0f} {total[1]:.0f}" '
           'font-family="DejaVu Sans Mono,Menlo,Consolas,monospace" font-size="14">')
    yield f'<rect width="100%" height="100%" rx="8" fill="{GROUND}"/>'
    for number, row in enumerate(cells):
        start = 0
        while start < COLUMNS:
            style, end = row[start][1], start
            while end < COLUMNS and row[end][1] == style:
                end += 1
            text = "".join(sign for sign, _ in row[start:end])
            colour, bold, dim, reverse = style
            fill = COLOURS.get(colour, TEXT)
            x, y = 12 + start * width, 12 + number * height
            if reverse:
                yield (f'<rect x="{x:.1f}" y="{y:.0f}" width="{(end - start) * width:.1f}" '
                       f'height="{height}" fill="{fill}"/>')
                fill = GROUND
            if text.strip():
                weight = ' font-weight="bold"' if bold else ""
                opacity = ' opacity="0.6"' if dim and not reverse else ""
                yield (f'<text x="{x:.1f}" y="{y + 13:.0f}" textLength="{(end - start) * width:.1f}" '
                       f'xml:space="preserve" fill="{fill}"{weight}{opacity}>{html.escape(text)}</text>')
            start = end
    yield "</svg>"


print("\n".join(svg(screen(recorded(os.path.abspath(sys.argv[1]))))))
