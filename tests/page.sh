# To be sourced by the tests of examples that write a page: $tmp, a folder that is removed at the end, and whole_page.
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# whole_page FILE: checks that the page is complete and loads nothing.
whole_page() {
  grep -q '</html>' "$1"
  if grep -qE '(src|href)="?http' "$1"; then echo "the page loads something" && exit 1; fi
}
