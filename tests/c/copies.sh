#!/usr/bin/env bash
# copies.sh OUT_DIR: checks that two versions of the library live in one process: a shared object that links libimle.a
# calls its own copy, and exports none of it. The second version is the first one with another version number in it.
set -euo pipefail
out=$(cd "$1" && pwd)
cd "$(dirname "$0")"

version=$(sed -n 's/^#define IMLE_VERSION "\(.*\)"/\1/p' ../../include/imle.h)
other=$(sed 's/[0-9]/9/g' <<<"$version")
LC_ALL=C sed "s/${version//./\\.}/$other/g" "$out/libimle.a" >"$out/libother.a"

plugin() { # name, library
  gcc -std=c99 -shared -fPIC -I../../include -x c - -x none "$2" -o "$out/lib$1.so" <<C
#include "imle.h"
const char *$1(void);
const char *$1(void) { return imle_version(); }
C
  exported=$(nm --dynamic --defined-only --format=posix "$out/lib$1.so" | grep imle_ || true)
  [[ ! $exported ]] || { echo "FAIL: a shared object that links libimle.a exports $exported"; exit 1; }
}
plugin user_of_this "$out/libimle.a"
plugin user_of_other "$out/libother.a"
both="user_of_this user_of_other"
for libraries in "$both imle" "imle $both" "user_of_other user_of_this imle"; do
  # shellcheck disable=SC2086 # the options must be split into words
  gcc -std=c99 -I../../include -x c - -L"$out" -Wl,-rpath,"$out" -Wl,--no-as-needed \
    $(printf -- '-l:lib%s.so ' $libraries) -o "$out/copies" <<'C'
#include <stdio.h>
#include "imle.h"
const char *user_of_this(void);
const char *user_of_other(void);
int main(void) { return printf("%s %s %s\n", user_of_this(), user_of_other(), imle_version()) < 0; }
C
  found=$("$out/copies")
  [[ $found == "$version $other $version" ]] || { echo "FAIL: $libraries: the calls reach versions $found"; exit 1; }
done
echo "copies: two versions of libimle.a and libimle.so in one process, each called by its own user"
