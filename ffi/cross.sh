# Source this file to build for another machine.

# binutils TARGET: sets $tools, the prefix of nm, objcopy and so on, and $ld, the linker.
binutils() {
  tools='' ld=ld
  case $1 in
    aarch64-*-linux-*) tools=aarch64-linux-gnu- ld=aarch64-linux-gnu-ld ;;
    armv7-*-linux-*) tools=arm-linux-gnueabihf- ld=arm-linux-gnueabihf-ld ;;
    *-windows-* | *-apple-*) tools=llvm- ld='' ;;
    thumb*) tools=arm-none-eabi- ld=arm-none-eabi-ld ;;
    riscv32*) tools=riscv64-unknown-elf- ld='riscv64-unknown-elf-ld -melf32lriscv' ;;
  esac
}

# The libraries of a download for microcontrollers, as archive.sh names them.
firmware_profiles=(release fast size)

# cargo_profile LIBRARY: cargo's profile of a library. lib/fast has that of lib/release and other features, so that both
# take one compiled core.
cargo_profile() { echo "${1/fast/release}"; }

# rust_web: sets $CARGO and $RUSTC to Debian's second Rust (rustc-web, rust-web-src, cargo-web), which builds core from
# source and so reaches every target of LLVM.
rust_web() {
  RUSTC=$(dpkg -L rustc-web | grep -m1 'bin/rustc$')
  CARGO=$(dpkg -L cargo-web | grep -m1 'bin/cargo$')
  export RUSTC CARGO RUSTC_BOOTSTRAP=1 CARGO_UNSTABLE_BUILD_STD=core
}

# frames: records the size of every frame for the proof of the worst-case stack, and makes no jump tables, which look
# like calls of unknown functions.
frames() {
  export RUSTFLAGS="-Zemit-stack-sizes -Cjump-tables=no"
}
