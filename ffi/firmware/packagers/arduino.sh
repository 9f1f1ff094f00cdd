# An Arduino library, precompiled: src/{build.mcu}/{build.fpu}-{build.float-abi}/libimle.a, or src/{build.mcu}/libimle.a
# where the platform names no FPU.
put thumbv6m-none-eabi src/cortex-m0 src/cortex-m0plus
put thumbv7m-none-eabi src/cortex-m3
put thumbv7em-none-eabi src/cortex-m{4,7} src/cortex-m4/fpv4-sp-d16-softfp src/cortex-m7/fpv5-{sp-,}d16-softfp
put thumbv7em-none-eabihf src/cortex-m4/fpv4-sp-d16-hard src/cortex-m7/fpv5-{sp-,}d16-hard
put thumbv8m.main-none-eabi src/cortex-m33 src/cortex-m33/fpv5-sp-d16-softfp
put thumbv8m.main-none-eabihf src/cortex-m33/fpv5-sp-d16-hard
put riscv32imc-unknown-none-elf src/esp32c{2,3}
put riscv32imac-unknown-none-elf src/esp32c6 src/esp32h2
mkdir -p "$package/src"
mv "$package/include"/* "$package/src"
rmdir "$package/include"
write library.properties <<TEXT
name=imle
version=$version
author=The imle authors
maintainer=The imle authors
sentence=Learning through discrete choices (Implicit MLE).
paragraph=Learns which k of n sensors, features or actions to choose, in static memory.
category=Data Processing
url=$url
architectures=*
includes=imle.h
precompiled=full
ldflags=-limle
TEXT
