#!/usr/bin/env bash
# avx512.sh: runs Rust tests on an x86-64 processor with AVX-512: the kernels, the laws and the pinned values, with few
# cases. Not many machines have such a processor, so Bochs emulates one (QEMU does not know these instructions).
# Debian's kernel boots there from a CD and starts the tests as its first process.
set -euo pipefail
cd "$(dirname "$0")/../.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
out=$CARGO_TARGET_DIR/avx512
rm -rf "$out/cd" "$out/root"
mkdir -p "$out/cd" "$out/root"

# The kernel is downloaded and not installed, so that the machine keeps its own.
package=$(apt-cache depends --important linux-image-cloud-amd64 | sed -n 's/.*Depends: //p')
kernel=$out/$package/boot/vmlinuz-${package#linux-image-}
if [[ ! -f $kernel ]]; then
  (cd "$out" && apt-get -qq -o APT::Sandbox::User=root download "$package")
  dpkg -x "$out/${package}"_*.deb "$out/$package"
fi
cp "$kernel" "$out/cd/linux"

# The CD has the programs that run on this machine, and the libraries that they load.
tests=(kernels laws value_stability)
cargo test --release "${tests[@]/#/--test=}" --no-run --message-format=json |
  sed -n 's/.*"name":"\([^"]*\)".*"executable":"\([^"]*\)".*/\1 \2/p' |
  while read -r name program; do
    strip -o "$out/root/$name" "$program"
    ldd "$program" | grep -o '/[^ ]*' | xargs -I{} cp --parents -Lu {} "$out/root"
  done
mkdir "$out/root"/{dev,proc}
cp "$(command -v busybox)" "$out/root/busybox"
cat >"$out/root/init" <<END
#!/busybox sh
/busybox mount -t proc proc /proc
/busybox mount -t devtmpfs dev /dev
export PROPTEST_CASES=8 PROPTEST_MAX_SHRINK_ITERS=9
passed=0
for test in ${tests[*]}; do /\$test --nocapture && passed=\$((passed + 1)); done
echo "\$passed of ${#tests[@]} passed"
/busybox sleep 1
/busybox poweroff -f
END
chmod +x "$out/root/init"
(cd "$out/root" && find . | cpio --quiet -o -H newc) | gzip >"$out/cd/initrd"
cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$out/cd"
# Bochs reports a wrong size of the compacted state, which would make Linux disable AVX.
echo 'DEFAULT linux initrd=initrd console=ttyS0 quiet mitigations=off clearcpuid=xsavec,xsaves' >"$out/cd/isolinux.cfg"
genisoimage -quiet -o "$out/cd.iso" -b isolinux.bin -c boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table "$out/cd"

# Debian's Bochs starts in a debugger, which needs the command to continue. Its screen is for viewers over the network, of
# which there is none: a screen in a terminal can block for ever, once nobody reads what it draws.
cat >"$out/bochsrc" <<END
cpu: model=corei7_skylake_x, ips=100000000, reset_on_triple_fault=0
megs: 256
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
ata0-master: type=cdrom, path=$out/cd.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$out/serial.txt
display_library: rfb, options="timeout=0" # seconds to wait for a viewer
sound: driver=dummy
log: $out/bochs.log
panic: action=fatal
END
echo continue >"$out/commands"
rm -f "$out/serial.txt"
status=0
timeout 1800 bochs -q -f "$out/bochsrc" -rc "$out/commands" >"$out/bochs.txt" 2>&1 </dev/null || status=$? # 1: power off
tr -d '\r' <"$out/serial.txt" | tee "$out/log.txt"
((status != 124)) || { echo "FAIL: Bochs did not come to the end in half an hour"; exit 1; }
grep -q 'kernel: avx512$' "$out/log.txt"
grep -qx "${#tests[@]} of ${#tests[@]} passed" "$out/log.txt"
echo "AVX-512: the same bits in Bochs as on the host"
