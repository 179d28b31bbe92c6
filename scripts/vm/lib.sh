# Sourced by run and shell beside it: a virtual machine with Debian's kernel on the host's own files.
# Nothing of it needs KVM, an NVMe module or a change to the host's boot.
# shellcheck shell=bash

. "$(dirname -- "${BASH_SOURCE[0]}")/../lib.sh"

WEFT_VM_DIR="$WEFT_HOME/scripts/vm"
# Kernel and initramfs; delete the folder to have a newer kernel fetched.
WEFT_VM_CACHE="${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/weft/vm"
WEFT_VM_KERNEL_PACKAGE=linux-image-amd64

# What every run needs; anything else (xfs, device mapper's targets) the guest loads on demand.
WEFT_VM_BOOT_MODULES=(virtio_pci virtio_console virtio_blk 9p 9pnet_virtio overlay
  ext4 configfs loop nvme-tcp nvmet-tcp)
# What is kept of the kernel package, which holds drivers for everything.
WEFT_VM_MODULE_FOLDERS=(arch block crypto fs lib mm net
  drivers/block drivers/char drivers/md drivers/net/'*.ko*' drivers/nvme drivers/virtio)

# Tools of administration are not on every user's PATH.
PATH="$PATH:/usr/sbin:/sbin"

weft_vm_say() {
  printf 'vm: %s\n' "$*" >&2
}

# The Debian packages of the tools that are missing: what boots the guest and, since the guest lives on the
# host's files, what the tests call there.
weft_vm_missing_packages() {
  local pair
  local tools=(
    qemu-system-x86_64:qemu-system-x86 cpio:cpio xz:xz-utils zstd:zstd modprobe:kmod depmod:kmod
    setpriv:util-linux losetup:util-linux setsid:util-linux mount:mount ip:iproute2 nft:nftables
    nvme:nvme-cli mkfs.ext4:e2fsprogs mkfs.xfs:xfsprogs dmsetup:dmsetup
  )
  {
    for pair in "${tools[@]}"; do
      command -v "${pair%%:*}" >/dev/null || echo "${pair#*:}"
    done
    weft_vm_busybox >/dev/null || echo busybox-static
  } | sort -u
}

# Prints why the virtual machine cannot run here; fails if it can.
weft_vm_hindrance() {
  local missing
  if [[ "$(uname -s) $(uname -m)" != "Linux x86_64" ]]; then
    echo "the virtual machine runs on Linux on x86_64 only"
    return
  fi
  missing="$(weft_vm_missing_packages | paste -sd ' ' -)"
  if [[ -n "$missing" ]] && { ((EUID != 0)) || ! command -v apt-get >/dev/null; }; then
    echo "these Debian packages are missing, and root must install them: $missing"
    return
  fi
  if [[ ! -f "$WEFT_VM_CACHE/kernel/.complete" ]] && ! command -v apt-get >/dev/null; then
    echo "the virtual machine's kernel comes from Debian's package $WEFT_VM_KERNEL_PACKAGE, and there is no apt-get"
    return
  fi
  return 1
}

# The path of a busybox that needs no libraries.
weft_vm_busybox() {
  local candidate
  for candidate in /bin/busybox /usr/bin/busybox; do
    if [[ -x "$candidate" ]] && ! LC_ALL=C ldd "$candidate" 2>/dev/null | grep -q '=>'; then
      printf '%s\n' "$candidate"
      return 0
    fi
  done
  return 1
}

# Sets WEFT_VM_KERNEL and WEFT_VM_INITRAMFS; fetches and builds what the cache does not have.
weft_vm_prepare() {
  local hindrance packages
  if hindrance="$(weft_vm_hindrance)"; then
    weft_die "No virtual machine: $hindrance."
  fi
  mapfile -t packages < <(weft_vm_missing_packages)
  ((${#packages[@]} == 0)) || weft_apt_install "${packages[@]}"
  mkdir -p "$WEFT_VM_CACHE"
  # Of two starts at once, the second waits for the first one's work.
  exec 8>"$WEFT_VM_CACHE/.lock"
  flock 8
  [[ -f "$WEFT_VM_CACHE/kernel/.complete" ]] || weft_vm_fetch_kernel
  WEFT_VM_KERNEL="$WEFT_VM_CACHE/kernel/vmlinux"
  WEFT_VM_RELEASE="$(basename -- "$WEFT_VM_CACHE"/kernel/lib/modules/*)"
  weft_vm_build_initramfs
  exec 8>&-
}

# Takes the kernel out of its Debian package, without installing it.
weft_vm_fetch_kernel() {
  local package folder patterns=() part
  rm -rf "$WEFT_VM_CACHE/kernel" "$WEFT_VM_CACHE"/kernel.*
  folder="$(mktemp -d "$WEFT_VM_CACHE/kernel.XXXXXX")"
  package="$(weft_vm_kernel_package)"
  if [[ -z "$package" ]] && ((EUID == 0)); then
    apt-get update -q >/dev/null || weft_die "apt-get update failed."
    package="$(weft_vm_kernel_package)"
  fi
  [[ -n "$package" ]] || weft_die "apt knows no $WEFT_VM_KERNEL_PACKAGE; is this Debian, and did apt-get update run?"
  weft_vm_say "fetching Debian's $package"
  # _apt may not write into a folder of ours, and says so each time.
  (cd -- "$folder" && apt-get -q -o APT::Sandbox::User=root download "$package" >/dev/null) ||
    weft_die "could not download $package; if its version is gone, apt-get update helps."
  for part in "${WEFT_VM_MODULE_FOLDERS[@]}"; do
    patterns+=("*/lib/modules/*/kernel/$part")
  done
  # A folder that a kernel does not have is no error here: depmod and modprobe tell what is missing.
  dpkg-deb --fsys-tarfile "$folder"/*.deb |
    tar -x -C "$folder" --no-same-owner --wildcards --no-wildcards-match-slash \
      './boot/vmlinuz-*' '*/lib/modules/*/modules.*' "${patterns[@]}" 2>/dev/null || true
  weft_vm_unpack_kernel "$folder"/boot/vmlinuz-* "$folder/vmlinux" ||
    weft_die "Cannot unpack the kernel of $package."
  rm -rf -- "$folder"/*.deb "${folder:?}/boot"
  if [[ -d "$folder/usr/lib/modules" ]]; then
    mv "$folder/usr/lib" "$folder/lib"
  fi
  depmod -b "$folder" "$(basename -- "$folder"/lib/modules/*)"
  touch "$folder/.complete"
  mv -T "$folder" "$WEFT_VM_CACHE/kernel"
}

# Takes the uncompressed kernel out of a bzImage; QEMU starts it by its PVH entry. Under emulation the
# kernel's own decompression is a third of the boot. Offsets: Documentation/x86/boot.rst.
weft_vm_unpack_kernel() {
  local image="$1" sectors offset length magic
  local unpack=()
  weft_vm_number() { od -An -t "u$2" -j "$1" -N "$2" -- "$image" | tr -d ' '; }
  sectors="$(weft_vm_number $((0x1f1)) 1)"
  offset="$(((sectors + 1) * 512 + $(weft_vm_number $((0x248)) 4)))"
  length="$(weft_vm_number $((0x24c)) 4)"
  magic="$(od -An -t x1 -j "$offset" -N 4 -- "$image" | tr -d ' ')"
  case "$magic" in
    fd377a58) unpack=(xz -dc) ;;
    28b52ffd) unpack=(zstd -dcq) ;;
    *) return 1 ;;
  esac
  # The last four bytes are the size of the result.
  length="$((length - 4))"
  head -c "$((offset + length))" -- "$image" | tail -c "$length" | "${unpack[@]}" >"$2"
}

# The package of the kernel that Debian's meta package stands for now.
weft_vm_kernel_package() {
  apt-cache depends --important "$WEFT_VM_KERNEL_PACKAGE" 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1
}

# Packs busybox, the modules that the root filesystem needs, in order, and initramfs-init.
weft_vm_build_initramfs() {
  local busybox stamp tree module parameters name
  busybox="$(weft_vm_busybox)"
  stamp="$(cat -- "$WEFT_VM_DIR/lib.sh" "$WEFT_VM_DIR/initramfs-init" "$busybox" "$WEFT_VM_KERNEL" | sha256sum | cut -c 1-16)"
  WEFT_VM_INITRAMFS="$WEFT_VM_CACHE/initramfs-$stamp.gz"
  [[ ! -f "$WEFT_VM_INITRAMFS" ]] || return 0
  weft_vm_say "building the initramfs for $WEFT_VM_RELEASE"
  rm -f "$WEFT_VM_CACHE"/initramfs-*
  tree="$(mktemp -d "$WEFT_VM_CACHE/initramfs.XXXXXX")"
  mkdir -p "$tree"/{bin,modules,dev,proc,sys,lower,upper,newroot}
  cp -- "$busybox" "$tree/bin/busybox"
  cp -- "$WEFT_VM_DIR/initramfs-init" "$tree/init"
  chmod 755 "$tree/init"
  # --show-depends prints "insmod PATH [PARAMETERS]" or "builtin NAME", what is needed first.
  modprobe -d "$WEFT_VM_CACHE/kernel" -S "$WEFT_VM_RELEASE" --show-depends -a "${WEFT_VM_BOOT_MODULES[@]}" |
    awk '$1 == "insmod" && !seen[$2]++ { print $2, $3 }' >"$tree/needed"
  while read -r module parameters; do
    name="$(basename -- "$module")"
    case "$name" in
      *.xz) name="${name%.xz}" && xz -dc -- "$module" ;;
      *.zst) name="${name%.zst}" && zstd -dcq -- "$module" ;;
      *.gz) name="${name%.gz}" && gzip -dc -- "$module" ;;
      *) cat -- "$module" ;;
    esac >"$tree/modules/${name}"
    printf '%s %s\n' "$name" "$parameters" >>"$tree/modules/order"
  done <"$tree/needed"
  rm "$tree/needed"
  (cd -- "$tree" && find . | cpio --quiet -o -H newc -R 0:0 | gzip -1) >"$tree.gz"
  mv -- "$tree.gz" "$WEFT_VM_INITRAMFS"
  rm -rf -- "$tree"
}

# What a run leaves lying when it was killed: folders named by processes that are gone.
weft_vm_sweep() {
  local folder
  for folder in "$WEFT_BUILD"/vm/*; do
    if [[ -d "$folder" ]] && ! kill -0 "${folder##*/}" 2>/dev/null; then
      rm -rf -- "$folder"
    fi
  done
}

# Boots the machine, runs the command in it and returns its exit code; 124 when the time ran out, 125 when
# the machine broke. The caller's folder is the command's. Settings:
#   terminal   raw: output only; tty: the caller's terminal is the command's
#   timeout    seconds until the machine is switched off, 0: never
#   results    a folder for what the command leaves in $WEFT_RESULTS, or empty
weft_vm_run() {
  local terminal="$1" timeout="$2" results="$3"
  shift 3
  local begun status=0 stdin=/dev/null console=stdio,id=console,signal=on

  weft_find_jdk
  weft_vm_prepare
  weft_vm_sweep
  WEFT_VM_WORK="$WEFT_BUILD/vm/$$"
  WEFT_VM_PID=
  trap weft_vm_clean EXIT
  # Without these, EXIT would wait for the machine's end.
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  mkdir -p "$WEFT_VM_WORK/exchange/results"
  cp -- "$WEFT_VM_DIR/guest-init" "$WEFT_VM_WORK/exchange/guest-init"
  chmod 755 "$WEFT_VM_WORK/exchange/guest-init"
  printf '%q ' "$@" >"$WEFT_VM_WORK/exchange/command"
  printf '%s=%q\n' WEFT_VM_TERMINAL "$terminal" WEFT_VM_CACHE "$WEFT_VM_CACHE" WEFT_VM_FOLDER "$PWD" \
    JAVA_HOME "$WEFT_JDK" TERM "${TERM:-dumb}" >"$WEFT_VM_WORK/exchange/settings"
  truncate -s "${WEFT_VM_SCRATCH:-8G}" "$WEFT_VM_WORK/scratch"
  mkfs.ext4 -q -F -O ^has_journal "$WEFT_VM_WORK/scratch"

  if [[ "$terminal" == tty ]]; then
    stdin=/dev/tty
    console=stdio,id=console,signal=off
    WEFT_VM_TTY="$(stty -g </dev/tty)"
  fi
  local machine
  # shellcheck disable=SC2054 # QEMU's commas
  machine=(
    qemu-system-x86_64 -nodefaults -no-user-config -no-reboot -display none
    # What makes the difference under emulation, each measured:
    # - String instructions are emulated byte by byte; without -erms, -fsrm and rep_good the kernel copies
    #   in loops, and the boot takes half the time.
    # - Between two emulated processors every interrupt waits until the host runs both, and a JVM sends
    #   many: with one, its start takes a third of the time or less.
    # - Translated code is found again by its address: without address randomization (norandmaps) what
    #   one process has warmed up is warm for the next, and Java starts in half the time.
    -machine q35 -accel tcg -cpu max,-erms,-fsrm
    -smp "${WEFT_VM_CPUS:-1}" -m "${WEFT_VM_MEMORY:-3072}"
    -kernel "$WEFT_VM_KERNEL" -initrd "$WEFT_VM_INITRAMFS"
    # hardened_usercopy=off: target and host are one kernel here, so the target receives the very pages that
    # were sent. Where two huge pages lie side by side, Linux 6.1 takes a segment across both for a copy beyond
    # an object, and the target's thread dies (usercopy_abort in nvmet_tcp_io_work).
    -append "console=ttyS0 loglevel=5 panic=-1 mitigations=off tsc=reliable norandmaps clearcpuid=rep_good hardened_usercopy=off"
    -serial "file:$WEFT_VM_WORK/kernel.log"
    -device virtio-serial-pci -chardev "$console" -device virtconsole,chardev=console
    -drive "if=none,id=scratch,file=$WEFT_VM_WORK/scratch,format=raw,cache=unsafe,discard=unmap"
    -device virtio-blk-pci,drive=scratch
    -fsdev local,id=host,path=/,security_model=none,readonly=on,multidevs=remap
    -device virtio-9p-pci,fsdev=host,mount_tag=host
    -fsdev "local,id=exchange,path=$WEFT_VM_WORK/exchange,security_model=none,multidevs=remap"
    -device virtio-9p-pci,fsdev=exchange,mount_tag=exchange
  )
  begun="$SECONDS"
  weft_vm_say "starting Linux $WEFT_VM_RELEASE (${WEFT_VM_CPUS:-1} CPU, emulated)"
  # Should this script be killed, the machine goes too.
  setpriv --pdeathsig TERM timeout --foreground --kill-after 5 "$timeout" \
    setpriv --pdeathsig KILL "${machine[@]}" <"$stdin" &
  WEFT_VM_PID=$!
  wait "$WEFT_VM_PID" || status=$?
  WEFT_VM_PID=

  if [[ -n "$results" ]]; then
    mkdir -p -- "$results"
    cp -r -- "$WEFT_VM_WORK/exchange/results/." "$results/"
  fi
  if [[ -s "$WEFT_VM_WORK/exchange/exit-code" ]]; then
    status="$(<"$WEFT_VM_WORK/exchange/exit-code")"
    weft_vm_say "exit code $status after $((SECONDS - begun)) s"
  else
    if ((status == 124 || status == 137)); then
      weft_vm_say "not done after $timeout s: switched off"
      status=124
    else
      weft_vm_say "the machine ended by itself after $((SECONDS - begun)) s"
      status=125
    fi
    weft_vm_say "the end of its kernel's messages:"
    tail -n 30 "$WEFT_VM_WORK/kernel.log" >&2 || true
  fi
  return "$status"
}

weft_vm_clean() {
  if [[ -n "$WEFT_VM_PID" ]]; then
    kill "$WEFT_VM_PID" 2>/dev/null || true
    wait "$WEFT_VM_PID" || true
  fi
  [[ -z "${WEFT_VM_TTY:-}" ]] || stty "$WEFT_VM_TTY" </dev/tty
  rm -rf -- "$WEFT_VM_WORK"
  rmdir -- "$WEFT_BUILD/vm" 2>/dev/null || true
}
