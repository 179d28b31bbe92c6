#!/usr/bin/env bash
# Linux's own NVMe/TCP target, for tests and trials: a subsystem over a file, on 127.0.0.1:4420 (path 1)
# and 127.0.0.2:4420 (path 2). As root, in the virtual machine or on a host whose kernel has nvmet-tcp.
# Each command may be repeated.
#
#   target.sh up [--size SIZE] [--block BYTES] [--dm | --log-writes]
#                             set the target up; an existing backing file is used as it is
#   target.sh down [--keep]   take it down, and delete the backing file unless told to keep it
#   target.sh cut PATH...     stop serving the paths: connections end, new ones are refused
#   target.sh silence PATH... lose the paths' packets, as a pulled cable does
#   target.sh restore PATH... undo both
#   target.sh disable         take the namespace away; the controllers stay
#   target.sh enable          bring it back
#   target.sh fault KIND      with up --dm: none, errors, write-errors, drop-writes, corrupt-writes, hang,
#                             or: delay MILLISECONDS
#   target.sh mark TEXT       with up --log-writes: put a mark into the log of writes
#   target.sh stats           the host's side, a line a path: device, controller's state, and its diskstats
#   target.sh status          the target's side
#   target.sh nqn | device | log    the NQN; the device under the namespace; the device with the log of writes
#
# WEFT_TARGET names the target (default: test), for several at once. WEFT_TARGET_DIR holds the backing
# files (default: weft-target in $WEFT_SCRATCH or /var/tmp).
set -euo pipefail

name="${WEFT_TARGET:-test}"
folder="${WEFT_TARGET_DIR:-${WEFT_SCRATCH:-/var/tmp}/weft-target}"
nqn="nqn.2025-01.io.weft:$name"
addresses=([1]=127.0.0.1 [2]=127.0.0.2)
port_number=4420

nvmet=/sys/kernel/config/nvmet
subsystem="$nvmet/subsystems/$nqn"
namespace="$subsystem/namespaces/1"
image="$folder/$name.img"
log_image="$folder/$name.log"
dm_name="weft-$name"

die() {
  printf 'target.sh: %s\n' "$*" >&2
  exit 1
}

# Writes an attribute in configfs, and says which one the kernel refused.
set_attribute() {
  if ! printf '%s' "$2" 2>/dev/null >"$1"; then
    die "the kernel refused '$2' for $1"
  fi
}

# configfs names of ports are numbers: 44201 and 44202 are nobody else's.
port_of() {
  [[ -n "${addresses[$1]:-}" ]] || die "there are paths 1 and 2, and no $1"
  printf '%s/ports/%s%s' "$nvmet" "$port_number" "$1"
}

load() {
  local module
  for module in "$@"; do
    if [[ ! -d "/sys/module/${module//-/_}" ]]; then
      modprobe -q "$module" || die "this kernel ($(uname -r)) has no module $module"
    fi
  done
}

# The loop device on a file, made if there is none.
loop_on() {
  local device
  device="$(losetup --noheadings --output NAME --associated "$1" | head -n 1)"
  if [[ -z "$device" ]]; then
    device="$(losetup --find --show --sector-size "${2:-512}" "$1")" || die "no loop device for $1"
  fi
  printf '%s' "$device"
}

free_loop() {
  local device
  [[ -f "$1" ]] || return 0
  while read -r device; do
    losetup --detach "$device"
  done < <(losetup --noheadings --output NAME --associated "$1")
}

dm_exists() {
  [[ -e "/dev/mapper/$dm_name" ]]
}

dm_set() {
  if dm_exists; then
    dmsetup reload "$dm_name" --table "$1" || die "device mapper refused: $1"
    # Not to wait for a filesystem above: there is one only at the other end of the fabric.
    dmsetup suspend --nolockfs "$dm_name"
    dmsetup resume "$dm_name"
  else
    dmsetup create "$dm_name" --table "$1" || die "device mapper refused: $1"
  fi
}

up() {
  local size=1G block=512 stack='' device sectors path port digest
  while (($# > 0)); do
    case "$1" in
      --size) size="${2:?--size needs a value}" && shift ;;
      --block) block="${2:?--block needs a value}" && shift ;;
      --dm | --log-writes) stack="${1#--}" ;;
      *) die "up: what is $1?" ;;
    esac
    shift
  done
  load nvmet nvmet-tcp loop
  [[ -z "$stack" ]] || load dm-mod
  [[ -d "$nvmet" ]] || mount -t configfs configfs /sys/kernel/config

  if [[ ! -d "$subsystem" ]]; then
    mkdir "$subsystem"
    set_attribute "$subsystem/attr_allow_any_host" 1
    set_attribute "$subsystem/attr_model" "Weft test target"
    set_attribute "$subsystem/attr_serial" "weft-$name"
  fi
  if [[ ! -d "$namespace" ]]; then
    mkdir -p "$folder"
    [[ -f "$image" ]] || truncate -s "$size" "$image"
    device="$(loop_on "$image" "$block")"
    sectors="$(blockdev --getsz "$device")"
    case "$stack" in
      dm)
        dm_set "0 $sectors linear $device 0"
        device="/dev/mapper/$dm_name"
        ;;
      log-writes)
        load dm-log-writes
        # The log holds all that was ever written; the file is sparse.
        truncate -s 64G "$log_image"
        dm_set "0 $sectors log-writes $device $(loop_on "$log_image" 512)"
        device="/dev/mapper/$dm_name"
        ;;
    esac
    mkdir "$namespace"
    set_attribute "$namespace/device_path" "$device"
    # The kernel would make up another one each time; a namespace that comes back is the same one.
    digest="$(sha256sum <<<"$nqn")"
    set_attribute "$namespace/device_uuid" \
      "${digest:0:8}-${digest:8:4}-4${digest:13:3}-8${digest:17:3}-${digest:20:12}"
  fi
  enable
  for path in "${!addresses[@]}"; do
    port="$(port_of "$path")"
    if [[ ! -d "$port" ]]; then
      mkdir "$port"
      set_attribute "$port/addr_trtype" tcp
      set_attribute "$port/addr_adrfam" ipv4
      set_attribute "$port/addr_traddr" "${addresses[$path]}"
      set_attribute "$port/addr_trsvcid" "$port_number"
    fi
  done
  restore_paths "${!addresses[@]}"
}

down() {
  local path port keep=no
  case "${1:-}" in
    '') ;;
    --keep) keep=yes ;;
    *) die "down: what is $1?" ;;
  esac
  if [[ -d "$subsystem" ]]; then
    for path in "${!addresses[@]}"; do
      heal "$path"
      port="$(port_of "$path")"
      [[ ! -L "$port/subsystems/$nqn" ]] || rm "$port/subsystems/$nqn"
    done
    # I/O in flight would keep a suspended device, and so the namespace, waiting.
    ! dm_exists || dmsetup resume "$dm_name"
    [[ ! -d "$namespace" ]] || rmdir "$namespace"
    rmdir "$subsystem"
  fi
  for path in "${!addresses[@]}"; do
    port="$(port_of "$path")"
    # Another target may be served there.
    if [[ -d "$port" && -z "$(ls "$port/subsystems")" ]]; then
      rmdir "$port"
    fi
  done
  ! dm_exists || dmsetup remove --retry "$dm_name"
  free_loop "$image"
  free_loop "$log_image"
  if [[ $keep == no ]]; then
    rm -f "$image" "$log_image"
  fi
}

cut_paths() {
  local path port
  for path in "$@"; do
    port="$(port_of "$path")"
    [[ ! -L "$port/subsystems/$nqn" ]] || rm "$port/subsystems/$nqn"
  done
}

# By address, in both directions: the host has 127.0.0.1 on its side of both paths.
silence_paths() {
  local path address
  for path in "$@"; do
    port_of "$path" >/dev/null
    address="${addresses[$path]}"
    nft -f - <<RULES
table inet weft_path$path
delete table inet weft_path$path
table inet weft_path$path {
  chain output {
    type filter hook output priority 0
    ip daddr $address tcp dport $port_number drop
    ip saddr $address tcp sport $port_number drop
  }
}
RULES
  done
}

heal() {
  if command -v nft >/dev/null && nft list table inet "weft_path$1" >/dev/null 2>&1; then
    nft delete table inet "weft_path$1"
  fi
}

restore_paths() {
  local path port
  for path in "$@"; do
    port="$(port_of "$path")"
    heal "$path"
    if [[ ! -L "$port/subsystems/$nqn" ]]; then
      ln -s "$subsystem" "$port/subsystems/$nqn" ||
        die "cannot serve on ${addresses[$path]}:$port_number; is something else listening there?"
    fi
  done
}

enable() {
  [[ "$(<"$namespace/enable")" == 1 ]] || set_attribute "$namespace/enable" 1
}

disable() {
  [[ "$(<"$namespace/enable")" == 0 ]] || set_attribute "$namespace/enable" 0
}

fault() {
  local device sectors range
  dm_exists || die "fault needs a target that was set up with --dm"
  device="$(loop_on "$image")"
  sectors="$(blockdev --getsz "$device")"
  range="0 $sectors"
  case "${1:-}" in
    none) dm_set "$range linear $device 0" ;;
    hang) dmsetup suspend --nolockfs --noflush "$dm_name" ;;
    delay)
      load dm-delay
      dm_set "$range delay $device 0 ${2:?delay needs milliseconds}"
      ;;
    # Always down: no second of it up, which is flakey's other interval.
    errors) load dm-flakey && dm_set "$range flakey $device 0 0 1" ;;
    write-errors) load dm-flakey && dm_set "$range flakey $device 0 0 1 1 error_writes" ;;
    drop-writes) load dm-flakey && dm_set "$range flakey $device 0 0 1 1 drop_writes" ;;
    # The 100th byte of each write becomes 0xa5. (Reads cannot be corrupted, nor fail alone, before Linux 6.5.)
    corrupt-writes) load dm-flakey && dm_set "$range flakey $device 0 0 1 5 corrupt_bio_byte 100 w 165 0" ;;
    *) die "fault: none, errors, write-errors, drop-writes, corrupt-writes, hang or delay MILLISECONDS" ;;
  esac
}

mark() {
  dm_exists || die "mark needs a target that was set up with --log-writes"
  dmsetup message "$dm_name" 0 mark "${1:?mark needs a text}"
}

# The paths as the host, that is the initiator, sees them. With multipath their devices are nvme0c0n1 and
# the like, and the device above them counts nothing.
stats() {
  local controller stat reads read_sectors writes written_sectors in_flight
  printf '%-12s %-11s %9s %13s %9s %13s %9s\n' device state reads read-bytes writes written-bytes in-flight
  for controller in /sys/class/nvme/nvme*; do
    [[ -r "$controller/subsysnqn" && "$(<"$controller/subsysnqn")" == "$nqn" ]] || continue
    for stat in "$controller"/nvme*n*/stat; do
      [[ -r "$stat" ]] || continue
      read -r reads _ read_sectors _ writes _ written_sectors _ in_flight _ <"$stat"
      printf '%-12s %-11s %9s %13s %9s %13s %9s\n' "$(basename -- "$(dirname -- "$stat")")" \
        "$(<"$controller/state")" "$reads" $((read_sectors * 512)) "$writes" $((written_sectors * 512)) "$in_flight"
    done
  done
}

status() {
  local path port how
  if [[ ! -d "$namespace" ]]; then
    echo "$nqn: down"
    return
  fi
  echo "$nqn: up"
  echo "  namespace 1: $(<"$namespace/device_path"), $([[ "$(<"$namespace/enable")" == 1 ]] && echo enabled || echo disabled)"
  ! dm_exists || echo "  device mapper: $(dmsetup table "$dm_name")"
  for path in "${!addresses[@]}"; do
    port="$(port_of "$path")"
    how="cut"
    [[ ! -L "$port/subsystems/$nqn" ]] || how=served
    if command -v nft >/dev/null && nft list table inet "weft_path$path" >/dev/null 2>&1; then
      how="$how, silenced"
    fi
    echo "  path $path: ${addresses[$path]}:$port_number, $how"
  done
}

usage() {
  sed -n '2,/^set /{s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
  exit 2
}

command="${1:-}"
(($# == 0)) || shift
case "$command" in
  nqn)
    echo "$nqn"
    exit
    ;;
  up | down | cut | silence | restore | disable | enable | fault | mark | stats | status | device | log) ;;
  *) usage ;;
esac
((EUID == 0)) || die "only root can do that"
case "$command" in
  up | down | stats | status) ;;
  *) [[ -d "$namespace" ]] || die "there is no target $name: target.sh up" ;;
esac
case "$command" in
  cut | silence | restore)
    (($# > 0)) || die "$command: which path, 1 or 2 or both?"
    "${command}_paths" "$@"
    ;;
  device) echo "$(<"$namespace/device_path")" ;;
  log) loop_on "$log_image" && echo ;;
  *) "$command" "$@" ;;
esac
