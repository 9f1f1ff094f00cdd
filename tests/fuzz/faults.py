#!/usr/bin/env python3
"""faults.py LIST [NUMBER]: prints the number of faults, or plants the fault of that number below the working directory and
prints its file and what it does."""
import sys
from pathlib import Path

text = Path(sys.argv[1]).read_text()
faults = [block.split("\n") for block in text.strip().split("\n\n")[1:]]
if len(sys.argv) == 2:
    print(len(faults))
    sys.exit()
title, file, *lines = faults[int(sys.argv[2])]
old, new = ("\n".join(line[1:] for line in lines if line[0] == sign) for sign in "-+")
source = Path(file).read_text()
if source.count(old) != 1:
    sys.exit(f"{title}: {file} has {source.count(old)} places, not 1, with: {old}")
Path(file).write_text(source.replace(old, new))
print(file, title)
