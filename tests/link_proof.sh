# Source this file. It has the functions of the library and of its header, and the link proof: a program of exactly the
# code that the functions of the library reach.

# flash TOOLS PROGRAM: the program's bytes of code and constants.
flash() { "$1size" "$2" | awk 'NR == 2 { print $1 + $2 }'; }

# exported TOOLS LIBRARY: the functions that the library exports.
exported() { "$1nm" -g --defined-only --format=posix "$2" 2>/dev/null | awk '$1 ~ /^imle_/ { print $1 }'; }

# declared HEADER: the functions that imle.h declares.
declared() { gcc -E -P "$1" | grep -oE '\bimle_[a-z_0-9]+\(' | tr -d '(' | sort -u; }

# closure TARGET LIBRARY PROGRAM [FUNCTION...]: links exactly the code that the named functions reach, by default all
# functions that LIBRARY exports, and prints its size. Fails if that code has a panic, formatting, an allocator, a trap,
# writable data (one byte is allowed on x86-64), or an undefined symbol other than the four functions of libc.
closure() {
  local library=$2 program=$3 exports symbols traps allowed wrong=0 tools ld
  binutils "$1"
  exports=("${@:4}")
  ((${#exports[@]})) || mapfile -t exports < <(exported "$tools" "$library")
  # Nothing defines the four functions of libc here. They get an address that does not matter. The code stands behind the
  # symbol _stack, which the linker has at 0x80000 for Arm: a disassembler would name jumps after it.
  $ld -static -Ttext-segment=0x100000 --gc-sections --entry="${exports[0]}" "${exports[@]/#/--undefined=}" -z noexecstack \
    --defsym=memcpy=0 --defsym=memmove=0 --defsym=memset=0 --defsym=memcmp=0 "$library" -o "$program" || return
  symbols=$("${tools}nm" --defined-only --format=posix "$program" | awk '{ print $1 }')
  found() { if grep -E "$2" <<<"$symbols"; then echo "  $1"; wrong=1; fi; }
  found "a panic" 'panic|rust_begin_unwind|unwrap_failed|expect_failed|slice_.*_fail|_fail$|option13expect'
  found "formatting" 'core3fmt'
  found "an allocator" '^(malloc|calloc|realloc|free|aligned_alloc|posix_memalign)$|__rust_|__rdl_|rust_oom|alloc_error'
  # An abort may be a bare trap without a symbol, and an inlined panic handler a jump to itself.
  traps=$("${tools}objdump" -d "$program" |
    grep -E '\s(ud2|int3|hlt|udf|unimp|ebreak|bkpt)\b|^\s*([0-9a-f]+):.*\s(b|b\.n|j|jmp)\s+\2\s' || true)
  if [[ $traps ]]; then printf '%s\n  a trap\n' "$traps"; wrong=1; fi
  # On x86-64 one byte (8 with its padding) stores which instruction set the machine has.
  [[ $1 == x86_64 ]] && allowed='^\.bss +8 ' || allowed='^$'
  if "${tools}size" -A "$program" | grep -E '^\.t?s?(data|bss)' | grep -vE "$allowed"; then
    echo "  writable data"
    wrong=1
  fi
  echo "${#exports[@]} functions reach $(flash "$tools" "$program") bytes of code and constants"
  return $wrong
}
