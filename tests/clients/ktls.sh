#!/usr/bin/env bash
# Kernel TLS, functionally: Debian's kernel in a virtual machine (software emulation is enough), the
# host's programs over 9p, otad with tls.kernel=yes. A whole file, one range and several ranges must
# arrive identical, and the kernel must have counted TLS transmissions.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
b=${B:-build/release}
vm=$root/build/ktls
mkdir -p "$vm"

fetch_kernel() {
    [ ! -e "$vm/kernel" ] || return 0
    local name
    name=$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*amd64\).*/\1/p' | head -n 1)
    (cd "$vm" && apt-get download -qq -o APT::Sandbox::User="$(id -un)" "$name" && dpkg -x linux-image-*.deb kernel)
}

# Modules in the order they must be loaded, with what they need before them.
module_files() {
    local folder=$1 release
    release=$(basename "$folder")
    depmod -b "$vm/kernel" "$release" 2>/dev/null || true
    for name in virtio_pci 9pnet_virtio 9p overlay tls gcm ctr ghash-generic aesni-intel; do
        modprobe -d "$vm/kernel" -S "$release" --show-depends "$name" 2>/dev/null | awk '$1 == "insmod" {print $2}'
    done | awk '!seen[$0]++'
}

make_initrd() {
    local tree folder
    tree=$vm/initrd
    rm -rf "$tree"
    mkdir -p "$tree"/{bin,proc,sys,dev,modules,host,upper,root}
    cp /bin/busybox "$tree/bin/"
    folder=$(echo "$vm"/kernel/lib/modules/*)
    local number=100
    for file in $(module_files "$folder"); do
        cp "$file" "$tree/modules/$((number++))-$(basename "$file")"
    done
    cat > "$tree/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for module in /modules/*; do insmod "$module" 2>/dev/null; done
mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=262144 hostroot /host
mount -t tmpfs tmpfs /upper
mkdir -p /upper/data /upper/work
mount -t overlay -o lowerdir=/host,upperdir=/upper/data,workdir=/upper/work overlay /root
for folder in proc sys dev; do mount --bind /$folder /root/$folder; done
mount -t tmpfs tmpfs /root/tmp
ip link set lo up
chroot /root /bin/bash "$(sed -n 's/.*script=\([^ ]*\).*/\1/p' /proc/cmdline)"
echo "guest-status $?"
poweroff -f
INIT
    chmod +x "$tree/init"
    (cd "$tree" && find . | cpio -o -H newc --quiet | gzip -1 > "$vm/initrd.gz")
}

fetch_kernel
make_initrd
rm -rf "$vm/installation"
"$b/otactl" init "$vm/installation" --port 8443 --operator-port 9443 --hostname localhost --product gw >/dev/null
chmod -R go-rwx "$vm/installation"
cat > "$vm/guest.sh" <<E2
export PATH=/usr/sbin:/usr/bin:/sbin:/bin B=$b
exec /usr/bin/python3 $root/tests/clients/ktls_guest.py $root $vm/installation
E2
timeout -k 5 600 qemu-system-x86_64 -machine q35 -accel tcg,thread=multi -cpu max -m 1024 -smp 2 -nographic \
    -no-reboot -nodefaults -serial stdio -kernel "$vm"/kernel/boot/vmlinuz-* -initrd "$vm/initrd.gz" \
    -append "console=ttyS0 quiet panic=-1 script=$vm/guest.sh" \
    -virtfs local,path=/,security_model=none,mount_tag=hostroot,readonly=on,multidevs=remap < /dev/null | tee "$vm/log"
grep -q 'guest-status 0' "$vm/log"
