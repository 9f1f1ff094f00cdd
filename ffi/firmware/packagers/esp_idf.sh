# An ESP-IDF component for the RISC-V chips. A project has it in components/imle.
for target in "${firmware[@]}"; do [[ $target != riscv32* ]] || put "$target" "lib/$target"; done
write idf_component.yml <<TEXT
version: "$version"
description: Learning through discrete choices (Implicit MLE)
license: MIT OR Apache-2.0
targets: [esp32c2, esp32c3, esp32c6, esp32h2, esp32p4]
TEXT
write CMakeLists.txt <<'TEXT'
idf_component_register(INCLUDE_DIRS include)
if(IDF_TARGET MATCHES "^esp32c[23]$")
  set(target riscv32imc-unknown-none-elf)
elseif(IDF_TARGET MATCHES "^esp32(c6|h2)$")
  set(target riscv32imac-unknown-none-elf)
elseif(IDF_TARGET STREQUAL "esp32p4")
  set(target riscv32imafc-unknown-none-elf)
else()
  message(FATAL_ERROR "imle has no library for ${IDF_TARGET}")
endif()
add_prebuilt_library(imle_prebuilt ${CMAKE_CURRENT_SOURCE_DIR}/lib/${target}/libimle.a)
target_link_libraries(${COMPONENT_LIB} INTERFACE imle_prebuilt)
TEXT
