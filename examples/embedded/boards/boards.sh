# Source this file. `board NAME` sets the variables that build a program for a board and run it on an emulator:
#
#   target    Rust's name for the CPU; the archive libimle.a for this board is built for it
#   cc        the C compiler and its flags; a program is  $cc -Iinclude program.c $start libimle.a -o program.elf
#   start     start-up code and linker script, which need no libc; a program may use the compiler's libc if it has one
#   emulate   the command that runs program.elf; its exit status is that of main, and its stderr is the console
#
# With -ffp-contract=off, a * b + c rounds twice, as in the library. So a program prints the same bits on every board.
boards=(microbit mps2-an385 mps2-an386 mps2-an500 mps2-an505 mps3-an547 riscv32imac riscv32imafc)

board() {
  local here cpu
  here=$(dirname "${BASH_SOURCE[0]}")
  local flags="-Os -ffp-contract=off -ffunction-sections -fdata-sections -nostartfiles -Wl,--gc-sections -I$here"
  local arm="arm-none-eabi-gcc -mthumb -Wl,-z,noexecstack $flags"
  local single="-mfloat-abi=hard -mfpu"
  case $1 in
    microbit) target=thumbv6m-none-eabi cc="$arm -mcpu=cortex-m0" ;;
    mps2-an385) target=thumbv6m-none-eabi cc="$arm -mcpu=cortex-m3" ;; # an M3 runs the code of the M0
    mps2-an386) target=thumbv7em-none-eabihf cc="$arm -mcpu=cortex-m4 $single=fpv4-sp-d16" ;;
    mps2-an500) target=thumbv7em-none-eabihf cc="$arm -mcpu=cortex-m7 $single=fpv5-sp-d16" ;;
    mps2-an505) target=thumbv8m.main-none-eabihf cc="$arm -mcpu=cortex-m33 $single=fpv5-sp-d16" ;;
    # nomve: the vector unit (MVE) flushes subnormals, so with it the bits would differ.
    mps3-an547) target=thumbv8m.main-none-eabihf cc="$arm -mcpu=cortex-m55+nomve $single=auto" ;;
    riscv32imac) cpu=rv32,f=false,d=false target=$1-unknown-none-elf cc="-march=rv32imac -mabi=ilp32" ;;
    riscv32imafc) cpu=rv32,d=false target=$1-unknown-none-elf cc="-march=rv32imafc -mabi=ilp32f" ;;
    *) echo "no such board: $1" >&2; return 1 ;;
  esac
  emulate="-nographic -monitor none -serial none -semihosting-config enable=on,target=native -kernel"
  if [[ $1 == riscv32* ]]; then
    cc="riscv64-unknown-elf-gcc --specs=picolibc.specs $flags $cc"
    start="$here/riscv.c -L$here -T$here/riscv32.ld"
    emulate="qemu-system-riscv32 -M virt -cpu $cpu -bios none $emulate"
  else
    start="$here/cortex_m.c -L$here -T$here/$1.ld"
    emulate="qemu-system-arm -M $1 $emulate"
  fi
}
