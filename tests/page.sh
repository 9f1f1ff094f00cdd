# To be sourced by the tests of examples that write a page: $tmp, a folder that is removed at the end, whole_page, and
# refuses.
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# whole_page FILE: checks that the page is complete and loads nothing.
whole_page() {
  grep -q '</html>' "$1"
  if grep -qE '(src|href)="?http' "$1"; then echo "the page loads something" && exit 1; fi
}

# refuses PROGRAM MESSAGE OPTION...: checks that the program refuses these options with this message and exit code 2.
refuses() {
  local status=0
  "$1" --out "$tmp/none.html" "${@:3}" >"$tmp/out" 2>"$tmp/err" || status=$?
  [[ $status == 2 && ! -s $tmp/out ]] && grep -q "$2" "$tmp/err" || { cat "$tmp/err"; echo "exit $status: $*"; exit 1; }
}
