# Source this file. `board NAME` sets the variables that build a program for a board and run it on an emulator:
#
#   target    Rust's name for the CPU; the archive libimle.a for this board is built for it
#   cc        the C compiler and its flags; a program is  $cc -Iinclude program.c $start libimle.a -o program.elf
#   compiler, core, compile, link   the parts of cc: the command, and the flags for the core, for compiling, for linking
#   start     start-up code and linker script, which need no libc; a program may use the compiler's libc if it has one
#   emulate   the command that runs program.elf; its exit status is that of main, and its stderr is the console
#
# With -ffp-contract=off, a * b + c rounds twice, as in the library. So a program prints the same bits on every board.
# A name that ends in -v7m, -soft or -softfp is the same board with another archive or float ABI.
boards=(microbit mps2-an385 mps2-an385-v7m mps2-an386 mps2-an386-soft mps2-an386-softfp mps2-an500 mps2-an505
  mps2-an505-soft mps3-an547 riscv32imc riscv32imac riscv32imafc)

board() {
  local here cpu machine=${1%-v7m}
  machine=${machine%-soft*}
  here=$(dirname "${BASH_SOURCE[0]}")
  compile="-Os -ffp-contract=off -ffunction-sections -fdata-sections"
  link="-nostartfiles -Wl,--gc-sections -Wl,-z,noexecstack"
  local single="-mfloat-abi=hard -mfpu"
  case $1 in
    microbit) target=thumbv6m-none-eabi core="-mcpu=cortex-m0" ;;
    mps2-an385) target=thumbv6m-none-eabi core="-mcpu=cortex-m3" ;; # an M3 runs the code of the M0
    mps2-an385-v7m) target=thumbv7m-none-eabi core="-mcpu=cortex-m3" ;;
    mps2-an386-soft) target=thumbv7em-none-eabi core="-mcpu=cortex-m4 -mfloat-abi=soft" ;;
    mps2-an386-softfp) target=thumbv7em-none-eabi core="-mcpu=cortex-m4 -mfloat-abi=softfp -mfpu=fpv4-sp-d16" ;;
    mps2-an386) target=thumbv7em-none-eabihf core="-mcpu=cortex-m4 $single=fpv4-sp-d16" ;;
    mps2-an500) target=thumbv7em-none-eabihf core="-mcpu=cortex-m7 $single=fpv5-sp-d16" ;;
    mps2-an505) target=thumbv8m.main-none-eabihf core="-mcpu=cortex-m33 $single=fpv5-sp-d16" ;;
    mps2-an505-soft) target=thumbv8m.main-none-eabi core="-mcpu=cortex-m33 -mfloat-abi=soft" ;;
    # nomve: the vector unit (MVE) flushes subnormals, so with it the bits would differ.
    mps3-an547) target=thumbv8m.main-none-eabihf core="-mcpu=cortex-m55+nomve $single=auto" ;;
    riscv32imc) cpu=rv32,a=false,f=false,d=false target=$1-unknown-none-elf core="-march=rv32imc -mabi=ilp32" ;;
    riscv32imac) cpu=rv32,f=false,d=false target=$1-unknown-none-elf core="-march=rv32imac -mabi=ilp32" ;;
    riscv32imafc) cpu=rv32,d=false target=$1-unknown-none-elf core="-march=rv32imafc -mabi=ilp32f" ;;
    *) echo "no such board: $1" >&2; return 1 ;;
  esac
  emulate="-nographic -monitor none -serial none -semihosting-config enable=on,target=native -kernel"
  if [[ $1 == riscv32* ]]; then
    compiler=riscv64-unknown-elf-gcc core="--specs=picolibc.specs $core"
    start="$here/riscv.c -L$here -T$here/riscv32.ld"
    emulate="qemu-system-riscv32 -M virt -cpu $cpu -bios none $emulate"
  else
    compiler=arm-none-eabi-gcc core="-mthumb $core"
    start="$here/cortex_m.c -L$here -T$here/$machine.ld"
    emulate="qemu-system-arm -M $machine $emulate"
  fi
  cc="$compiler $core $compile $link -I$here"
}
