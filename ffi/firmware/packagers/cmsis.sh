# A CMSIS pack. Its conditions take the archive for the core and its FPU.
for target in "${firmware[@]}"; do [[ $target != thumb* ]] || put "$target" "lib/$target"; done
accept() { # ID, CORE/FPU...
  printf '    <condition id="%s">\n' "$1"
  printf '      <accept Dcore="%s" Dfpu="%s"/>\n' $(printf '%s\n' "${@:2}" | tr / ' ')
  printf '      <require Tcompiler="GCC"/>\n    </condition>\n'
}
write imle.imle.pdsc <<TEXT
<?xml version="1.0" encoding="UTF-8"?>
<package schemaVersion="1.7.7"
         xmlns:xs="http://www.w3.org/2001/XMLSchema-instance" xs:noNamespaceSchemaLocation="PACK.xsd">
  <vendor>imle</vendor>
  <name>imle</name>
  <description>Learning through discrete choices (Implicit MLE)</description>
  <url>$url</url>
  <license>LICENSE-MIT</license>
  <releases>
    <release version="$version">The first release.</release>
  </releases>
  <conditions>
$(accept thumbv6m-none-eabi Cortex-M0/NO_FPU Cortex-M0+/NO_FPU
  accept thumbv7m-none-eabi Cortex-M3/NO_FPU
  accept thumbv7em-none-eabi Cortex-M{4,7}/NO_FPU
  accept thumbv7em-none-eabihf Cortex-M4/SP_FPU Cortex-M7/{SP,DP}_FPU
  accept thumbv8m.main-none-eabi Cortex-M{33,55}/NO_FPU
  accept thumbv8m.main-none-eabihf Cortex-M33/SP_FPU Cortex-M55/{SP,DP}_FPU)
  </conditions>
  <components>
    <component Cclass="Machine Learning" Cgroup="imle" Cversion="$version">
      <description>Learning through discrete choices</description>
      <files>
        <file category="include" name="include/"/>
$(cd "$package" && for archive in lib/*/libimle.a; do
  printf '        <file category="library" name="%s" condition="%s"/>\n' "$archive" "$(basename "${archive%/*}")"
done)
      </files>
    </component>
  </components>
</package>
TEXT
