#!/usr/bin/env python3
"""stack.py TOOLS FRAMES PROGRAM FUNCTION...: the worst-case stack of functions of a program for Cortex-M or RISC-V.

The sizes of the stack frames come from the section .stack_sizes (rustc -Zemit-stack-sizes) of the linked file FRAMES,
which has the same functions. The calls come from the disassembly of PROGRAM. A few functions of compiler_builtins, a
part of Rust, are written in assembly and have no entry in .stack_sizes. Their frames are read from the instructions
that move the stack pointer. Prints "function bytes caller:frame > callee:frame > ...". Fails on a recursion and on an
indirect call, because the stack then has no bound. TOOLS is the prefix of the names of objdump, objcopy and nm."""

import re
import subprocess
import sys


def run(tool, *arguments):
    return subprocess.run([tool, *arguments], check=True, text=True, capture_output=True).stdout


def frame_sizes(tools, elf):
    """{function: bytes}. Each entry of .stack_sizes is an address of 4 bytes and a size in LEB128."""
    dump = elf + ".stack_sizes"
    open(dump, "w").close()  # objcopy writes nothing if there is no such section
    run(tools + "objcopy", "--dump-section", f".stack_sizes={dump}", elf, "/dev/null")
    with open(dump, "rb") as file:
        data = file.read()
    sizes, at = {}, 0
    while at < len(data):
        address, at, size, shift = int.from_bytes(data[at : at + 4], "little") & ~1, at + 4, 0, 0
        while True:
            byte, at = data[at], at + 1
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        sizes[address] = size
    symbols = (line.split() for line in run(tools + "nm", "--format=posix", elf).splitlines())
    return {name: sizes[int(value, 16) & ~1] for name, kind, value, *_ in symbols if int(value, 16) & ~1 in sizes}


def registers(text):
    """The number of registers in a list such as {r4-r7, lr}."""
    count = 0
    for part in re.search(r"\{(.*)\}", text)[1].split(","):
        first, _, last = part.strip().partition("-")
        names = {"sl": 10, "fp": 11, "ip": 12, "sp": 13, "lr": 14, "pc": 15}
        number = lambda name: names.get(name) or int(name[1:])
        count += number(last) - number(first) + 1 if last else 1
    return count


def moved(operation, arguments):
    """The number of bytes by which an instruction makes the stack grow."""
    if re.match(r"push|stmdb|vpush", operation):
        wide = 8 if operation == "vpush" and "{d" in arguments else 4
        return registers(arguments) * wide if operation != "stmdb" or arguments.startswith("sp!") else 0
    if m := re.match(r"sp, (?:sp, )?#(\d+)", arguments):
        return int(m[1]) if operation.startswith("sub") else 0
    if m := re.search(r"\[sp, #-(\d+)\]!", arguments):
        return int(m[1])
    if m := re.match(r"sp,sp,-(\d+)", arguments):
        return int(m[1])
    return 0


# Jumps to an address in a register or in memory. tbb and tbh use jump tables; the archives are built without these.
INDIRECT = ("bx", "blx", "jr", "jalr", "tbb", "tbh")
CALLS = ("bl", "jal", "jalr")
MOVES = ("mov", "ldr")
# In Thumb these can have a condition (but blt, ble, bls and blo are forms of b), and they come in two lengths.
CONDITION = "eq|ne|cs|hs|cc|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le"
CONDITIONAL = re.compile(rf"({'|'.join((*INDIRECT, *CALLS, *MOVES))})(?:{CONDITION})?(?:\.[wn])?")


class Program:
    def __init__(self, tools, sizes, elf):
        self.frames, self.calls, self.tails, self.indirect = {}, {}, {}, {}
        function = None
        for line in run(tools + "objdump", "-d", "--no-show-raw-insn", elf).splitlines():
            if m := re.match(r"[0-9a-f]+ <(.+)>:$", line):
                function = m[1]
                self.calls[function], self.tails[function] = set(), set()
                self.known = function in sizes
                self.frames[function] = sizes.get(function, 0)
            elif function and (m := re.match(r"\s*[0-9a-f]+:\s+(\S+)\s*(.*)", line)):
                self.instruction(function, m[1], m[2])

    def instruction(self, function, operation, arguments):
        if not self.known:
            self.frames[function] += moved(operation, arguments)
        if m := CONDITIONAL.fullmatch(operation):
            operation = m[1]
        if re.match(r"b|cbn?z|j", operation) and (m := re.search(r" <([^>+]+)(\+0x)?", arguments)):
            # <function> is the first instruction of a function. <function+0x12> is inside it, and only jumps of the
            # function itself may lead there (on Cortex-M0 long jumps are bl).
            if m[2] and m[1] != function:
                self.indirect[function] = f"{operation} {arguments}"
            elif not m[2] and operation in CALLS:
                self.calls[function].add(m[1])
            # This jump is a tail call: it stores no return address, and the frame of this function is already gone.
            elif not m[2] and m[1] != function:
                self.tails[function].add(m[1])
        elif operation in INDIRECT and arguments != "lr" or operation in MOVES and arguments.startswith("pc"):
            self.indirect[function] = f"{operation} {arguments}"

    def deepest(self, function, path=()):
        if function in path:
            raise SystemExit(f"recursion: {' > '.join((*path, function))}")
        if function in self.indirect:
            raise SystemExit(f"an indirect call: {self.indirect[function]} in {' > '.join((*path, function))}")
        if function not in self.frames:
            raise SystemExit(f"no frame size: {function}")
        below = [self.deepest(callee, (*path, function)) for callee in sorted(self.calls[function])]
        bytes_, way = max(below, default=(0, ()))
        own = self.frames[function] + bytes_, (f"{function}:{self.frames[function]}", *way)
        return max(own, *(self.deepest(callee, (*path, function)) for callee in sorted(self.tails[function])), (0, ()))


def main():
    tools, frames, elf, *functions = sys.argv[1:]
    program = Program(tools, frame_sizes(tools, frames), elf)
    for function in functions:
        size, way = program.deepest(function)
        print(function, size, " > ".join(way))


main()
