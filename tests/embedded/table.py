#!/usr/bin/env python3
"""table.py [--write] OUT_DIR BOARD...: measures the library on the boards (measure.sh, after proofs.sh) and compares the
tables of examples/embedded/README.md with that, to 5 % or 16: compilers differ. --write writes them instead; name one
board of each target then."""

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
README = HERE.parent.parent / "examples/embedded/README.md"
BEGIN, END = "<!-- tests/embedded/table.py --write -->\n", "<!-- end -->\n"

CORES = {
    "thumbv6m-none-eabi": "Cortex-M0",
    "thumbv7em-none-eabihf": "Cortex-M4F",
    "thumbv8m.main-none-eabihf": "Cortex-M33",
    "riscv32imac-unknown-none-elf": "RV32IMAC",
    "riscv32imafc-unknown-none-elf": "RV32IMAFC",
}
LIBRARIES = ("release", "fast", "size")
PROFILES = {name: f"`{name}`" for name in LIBRARIES} | {"naive": "naive C"}
PROFILES |= {f"{name}-worst": f"`{name}`, worst step" for name in LIBRARIES}
PURPOSES = {
    "map": "MAP",
    "gradient": "sample + gradient",
    "exact": "marginals",
    "solver": "own solver",
    "adaptive": "adaptive λ",
    "trees": "trees: sample + gradient",
    "learning": "learning program",
    "all": "all",
}
SIZES = [("16", "1"), ("16", "8"), ("64", "1"), ("64", "8"), ("256", "1"), ("256", "8")]


# The purposes whose stack has a column, too.
STACKS = ("gradient", "trees", "learning", "all")
# The documented limits for samples and gradients: bytes of flash and of stack.
MOST = {("Cortex-M4F", "size"): (8192, 1024), ("Cortex-M33", "size"): (8192, 1024)}


def measure(out, board):
    """{(core, profile, what): number}"""
    lines = subprocess.run([HERE / "measure.sh", out, board], check=True, text=True, stdout=subprocess.PIPE).stdout
    numbers = {}
    for line in lines.splitlines():
        target, profile, *what, number = line.split()
        numbers[CORES[target], PROFILES[profile], *what] = int(number)
    return numbers


def table(name, columns, rows):
    """Rows are (core, profile, numbers)."""
    head = [name, "profile", *columns]
    lines = [head, ["---"] * 2 + ["---:"] * len(columns), *([*row[:2], *map(str, row[2])] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def tables(numbers):
    names = list(PROFILES.values())
    profiles = sorted({key[:2] for key in numbers}, key=lambda row: (list(CORES.values()).index(row[0]), names.index(row[1])))
    memory = [
        (*row, [numbers[*row, "flash", p] for p in PURPOSES] + [numbers[*row, "stack", p] for p in STACKS])
        for row in profiles
        if (*row, "flash", "all") in numbers
    ]
    speed = [(*row, [numbers[*row, "instructions", *size] for size in SIZES]) for row in profiles]
    columns = [*PURPOSES.values(), *(f"stack: {PURPOSES[p]}" for p in STACKS)]
    sizes = [f"n={n}, k={k}" for n, k in SIZES]
    return table("bytes of flash, of stack", columns, memory) + "\n" + table("instructions", sizes, speed)


def rows(text):
    """{(table, core, profile): numbers}"""
    found, name = {}, None
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) > 2 and cells[1] == "profile":
            name = cells[0]
        elif len(cells) > 2 and re.fullmatch(r"\d+", cells[2]):
            found[name, *cells[:2]] = [int(cell) for cell in cells[2:]]
    return found


def main():
    write = sys.argv[1] == "--write"
    out, *boards = sys.argv[1 + write :]
    numbers = {}
    for board in boards:
        numbers |= measure(out, board)
    for (core, profile), limits in MOST.items():
        for kind, limit in zip(("flash", "stack"), limits):
            measured = numbers.get((core, PROFILES[profile], kind, "gradient"), 0)
            if measured > limit:
                sys.exit(f"{core}, lib/{profile}: sample and gradient take {measured} bytes of {kind}, {limit} are promised")
    text = README.read_text()
    before, said, after = re.fullmatch(f"(.*{BEGIN})(.*?)({END}.*)", text, re.DOTALL).groups()
    if write:
        README.write_text(before + "\n" + tables(numbers) + "\n" + after)
        return
    said = rows(said)
    for key, measured in rows(tables(numbers)).items():
        close = key in said and all(abs(a - b) <= max(16, 0.05 * b) for a, b in zip(said[key], measured, strict=True))
        if not close:
            sys.exit(f"{README}: {key}: it says {said.get(key)}, measured: {measured}; write it: tests/embedded/table.py")
    print(f"table: examples/embedded/README.md says what was measured on {', '.join(boards)}")


main()
