# A Zephyr module. A project names it in ZEPHYR_EXTRA_MODULES or in its manifest, and sets CONFIG_IMLE=y.
for target in "${firmware[@]}"; do put "$target" "lib/$target"; done
write zephyr/module.yml <<TEXT
name: imle
build:
  cmake: zephyr
  kconfig: zephyr/Kconfig
TEXT
write zephyr/Kconfig <<TEXT
config IMLE
	bool "imle: learning through discrete choices (Implicit MLE)"
	depends on CPU_CORTEX_M || (RISCV && !64BIT)
TEXT
write zephyr/CMakeLists.txt <<'TEXT'
if(NOT CONFIG_IMLE)
  return()
endif()
set(abi eabi)
if(CONFIG_FP_HARDABI)
  set(abi eabihf)
endif()
if(CONFIG_CPU_CORTEX_M0 OR CONFIG_CPU_CORTEX_M0PLUS)
  set(target thumbv6m-none-eabi)
elseif(CONFIG_CPU_CORTEX_M3)
  set(target thumbv7m-none-eabi)
elseif(CONFIG_CPU_CORTEX_M4 OR CONFIG_CPU_CORTEX_M7)
  set(target thumbv7em-none-${abi})
elseif(CONFIG_CPU_CORTEX_M33 OR CONFIG_CPU_CORTEX_M55)
  set(target thumbv8m.main-none-${abi})
elseif(CONFIG_RISCV AND CONFIG_FLOAT_HARD AND NOT CONFIG_CPU_HAS_FPU_DOUBLE_PRECISION)
  set(target riscv32imafc-unknown-none-elf)
elseif(CONFIG_RISCV AND NOT CONFIG_FPU AND CONFIG_RISCV_ISA_EXT_A)
  set(target riscv32imac-unknown-none-elf)
elseif(CONFIG_RISCV AND NOT CONFIG_FPU)
  set(target riscv32imc-unknown-none-elf)
else()
  message(FATAL_ERROR "imle has no library for this core and float ABI")
endif()
zephyr_include_directories(${CMAKE_CURRENT_SOURCE_DIR}/../include)
zephyr_library_import(imle ${CMAKE_CURRENT_SOURCE_DIR}/../lib/${target}/libimle.a)
TEXT
