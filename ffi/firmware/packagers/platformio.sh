# A PlatformIO library. Its script takes the archive for the flags of the compiler that the platform has set.
for target in "${firmware[@]}"; do put "$target" "lib/$target"; done
write library.json <<TEXT
{
  "name": "imle",
  "version": "$version",
  "description": "Learning through discrete choices (Implicit MLE)",
  "keywords": ["machine learning", "discrete choice"],
  "license": "(MIT OR Apache-2.0)",
  "homepage": "$url",
  "headers": "imle.h",
  "build": {"includeDir": "include", "extraScript": "link.py"}
}
TEXT
write link.py <<'TEXT'
import os

Import("env")
flags = [str(flag) for name in ("CCFLAGS", "LINKFLAGS") for flag in env.get(name, [])]
cpu = next((flag.partition("=")[2] for flag in flags if flag.startswith(("-mcpu=", "-march="))), "")
abi = "eabihf" if "-mfloat-abi=hard" in flags else "eabi"
cores = {"cortex-m0": "thumbv6m-none-eabi", "cortex-m0plus": "thumbv6m-none-eabi", "cortex-m3": "thumbv7m-none-eabi"}
cores |= {core: f"thumbv7em-none-{abi}" for core in ("cortex-m4", "cortex-m7")}
cores |= {core: f"thumbv8m.main-none-{abi}" for core in ("cortex-m33", "cortex-m55")}
cores |= {f"rv32{extensions}": f"riscv32{extensions}-unknown-none-elf" for extensions in ("imc", "imac", "imafc")}
core = cpu.partition("_")[0].partition("+")[0]
if core not in cores:
    raise SystemExit(f"imle has no library for {cpu}")
env.Append(LIBPATH=[os.path.realpath(os.path.join("lib", cores[core]))], LIBS=["imle"])
TEXT
