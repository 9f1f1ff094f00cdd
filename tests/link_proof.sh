# To be sourced: the link proof.

# flash TOOLS PROGRAM: its bytes of code and constants.
flash() { "$1size" "$2" | awk 'NR == 2 { print $1 + $2 }'; }

# exported TOOLS LIBRARY: the functions of the library.
exported() { "$1nm" -g --defined-only --format=posix "$2" 2>/dev/null | awk '$1 ~ /^imle_/ { print $1 }'; }

# closure TARGET LIBRARY PROGRAM [FUNCTION...]: links exactly what the functions reach (all that LIBRARY exports, unless
# named), prints its size, and fails if there is a panic, formatting, an allocator, a trap, writable data (but for one
# byte on x86-64), or an undefined symbol other than the four functions of libc.
closure() {
  local library=$2 program=$3 exports symbols traps allowed wrong=0 tools ld
  binutils "$1"
  exports=("${@:4}")
  ((${#exports[@]})) || mapfile -t exports < <(exported "$tools" "$library")
  # The four functions of libc are nobody's here: an address that does not matter.
  $ld -static --gc-sections --entry="${exports[0]}" "${exports[@]/#/--undefined=}" -z noexecstack \
    --defsym=memcpy=0 --defsym=memmove=0 --defsym=memset=0 --defsym=memcmp=0 "$library" -o "$program" || return
  symbols=$("${tools}nm" --defined-only --format=posix "$program" | awk '{ print $1 }')
  found() { if grep -E "$2" <<<"$symbols"; then echo "  $1"; wrong=1; fi; }
  found "a panic" 'panic|rust_begin_unwind|unwrap_failed|expect_failed|slice_.*_fail|_fail$|option13expect'
  found "formatting" 'core3fmt'
  found "an allocator" '^(malloc|calloc|realloc|free|aligned_alloc|posix_memalign)$|__rust_|__rdl_|rust_oom|alloc_error'
  # An abort without a symbol is a bare trap; a panic handler that was inlined, a jump to itself.
  traps=$("${tools}objdump" -d "$program" |
    grep -E '\s(ud2|int3|hlt|udf|unimp|ebreak|bkpt)\b|^\s*([0-9a-f]+):.*\s(b|b\.n|j|jmp)\s+\2\s' || true)
  if [[ $traps ]]; then printf '%s\n  a trap\n' "$traps"; wrong=1; fi
  # On x86-64 one byte (with its padding, 8) keeps which instruction set the machine has.
  [[ $1 == x86_64 ]] && allowed='^\.bss +8 ' || allowed='^$'
  if "${tools}size" -A "$program" | grep -E '^\.t?s?(data|bss)' | grep -vE "$allowed"; then
    echo "  writable data"
    wrong=1
  fi
  echo "${#exports[@]} functions reach $(flash "$tools" "$program") bytes of code and constants"
  return $wrong
}
