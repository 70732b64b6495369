#!/usr/bin/env bash
# Follows deploy/install.sh to its end in a bare root that debootstrap makes, against
# pretended peers, and judges what comes out: bash deploy/try-install.sh [--postgresql]
# [--boot] [--suite trixie] [--folder EMPTY]. As root; takes minutes; needs debootstrap and
# the package indexes. With --boot the root's own systemd is booted in the end, in a network
# of its own (systemd-nspawn), and the services, the firewall, fail2ban and the nightly
# update are tried as well; without, what needs systemd is told, and started by hand.
set -Eeuo pipefail
export LC_ALL=C.UTF-8
trap 'echo "it is not as it should be: line $LINENO" >&2' ERR

suite=bookworm folder='' boot='' options=()
while [ $# -gt 0 ]; do
    case $1 in
        --suite) suite=$2 && shift ;;
        --folder) folder=$2 && shift ;;
        --boot) boot=1 ;;
        *) options+=("$1") ;;
    esac
    shift
done
mirror=${MIRROR:-http://deb.debian.org/debian}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=${folder:-$(mktemp -d /var/tmp/try-install.XXXXXX)}
root=$work/root
mkdir -p "$work"
[ -n "$folder" ] || trap 'rm -rf --one-file-system "$work"' EXIT

# inside [--net] SCRIPT ARGUMENT…: run a script in there; all it started ends with it.
# With --net there is no network but the root's own loopback.
inside() {
    local net=()
    [ "$1" != --net ] || { net=(--net) && shift; }
    # shellcheck disable=SC2016 # expanded in there
    unshare --mount --pid --fork --kill-child "${net[@]}" bash -c '
        root=$1 script=$2
        shift 2
        mount --make-rprivate /
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        mount -t tmpfs tmpfs "$root/run"
        mkdir -p "$root/run/lock"
        ip link set lo up 2>/dev/null
        exec chroot "$root" /usr/bin/env -i PATH="$PATH:/usr/sbin:/sbin" HOME=/root LC_ALL=C.UTF-8 \
            ${PIP_INDEX_URL:+PIP_INDEX_URL="$PIP_INDEX_URL"} ${PIP_CERT:+PIP_CERT="$PIP_CERT"} bash -eu -c "$script" script "$@"
    ' inside "$root" "$@"
}

# What a second run may not touch: all but what the bridge itself writes, and Python's own.
listed() {
    (cd "$root" && find etc opt srv usr/local var/lib/kaspi-bridge -xdev \
        \( -path opt/kaspi-bridge/var -o -name __pycache__ \) -prune -o \
        -type d -printf '%p %M %U:%G\n' -o -printf '%p %M %U:%G %s %T@ %l\n' 2>/dev/null | sort) || true
}

# Whatever is started, with PostgreSQL if there is one.
# shellcheck disable=SC2016 # expanded in there
with_database='
[ ! -e /usr/bin/pg_ctlcluster ] || service postgresql start >/dev/null
"$@" </dev/null
[ ! -e /usr/bin/pg_ctlcluster ] || service postgresql stop >/dev/null'

say() {
    printf '\n######## %s\n' "$*"
}

say "A bare $suite"
# No server is without these: root comes by ssh, and systemd starts it.
[ -e "$root/etc/os-release" ] || debootstrap --variant=minbase --include=openssh-server,systemd-sysv,dbus \
    "$suite" "$root" "$mirror" >"$work/debootstrap.log"
cp /etc/resolv.conf "$root/etc/resolv.conf"
grep -q shop.example "$root/etc/hosts" 2>/dev/null || echo '127.0.0.1 localhost shop.example' >>"$root/etc/hosts"
# The indexes are reached as from here, even through a proxy with an authority of its own.
mkdir -p "$root/etc/ssl/certs" "$root/usr/local/share/ca-certificates" "$root/srv/git"
for each in /usr/local/share/ca-certificates/*.crt; do
    [ ! -e "$each" ] || cp "$each" "$root/usr/local/share/ca-certificates/"
done
rm -rf "$root/srv/git/kaspi-bridge.git"
git clone --quiet --bare --no-hardlinks "$here/.." "$root/srv/git/kaspi-bridge.git"
chown -R root:root "$root/srv/git"
# Alone, as somebody has it who fetched this one file.
cp "$here/install.sh" "$root/root/install.sh"
install=(/root/install.sh --domain shop.example --from /srv/git/kaspi-bridge.git --no-certificate "${options[@]}")

say "Only told (--dry-run)"
listed >"$work/before"
inside 'bash "$@" --dry-run' "${install[@]}" | tee "$work/dry"
listed | diff "$work/before" - || { echo "the dry run changed something" >&2 && exit 1; }

say "The first time: nobody has filled in the tokens"
inside "$with_database" bash "${install[@]}" | tee "$work/first"
grep -q 'ALSTYLE_TOKEN is not set' "$work/first"

say "The owner fills them in; here they lead to pretended peers"
for each in ALSTYLE_TOKEN=alstyle-sandbox-token KASPI_TOKEN=kaspi-sandbox-token KASPI_MERCHANT_ID=QazDemo \
    KASPI_COMPANY=Qaz ALSTYLE_URL=http://127.0.0.1:9101 KASPI_URL=http://127.0.0.1:9102/shop/api ALSTYLE_INTERVAL_S=0.2; do
    sed -i -E "s|^(# )?${each%%=*}=.*|$each|" "$root/opt/kaspi-bridge/.env"
done
inside --net "$with_database" bash "${install[@]}" --owner olga | tee "$work/second"
grep -q 'olga (owner), password: ' "$work/second"

say "Updated while it is stopped"
cp "$here/../bench/installed.py" "$root/root/judge.py"
inside "$with_database" python3 /root/judge.py update

say "Once more: nothing may change, least of all what somebody changed by hand"
echo '# mine' >>"$root/etc/nginx/sites-available/kaspi-bridge"
listed >"$work/before"
inside --net "$with_database" bash "${install[@]}" --owner olga | tee "$work/third"
grep -q '^changed: 0;' "$work/third"
grep -q 'kaspi-bridge was changed by hand' "$work/third"
listed | diff "$work/before" - || { echo "the second run changed something" >&2 && exit 1; }

if [ -z "$boot" ]; then
    say "As systemd and nginx would start it"
    inside --net '
[ ! -e /usr/bin/pg_ctlcluster ] || service postgresql start >/dev/null
systemd-analyze verify /etc/systemd/system/kaspi-bridge*.service /etc/systemd/system/kaspi-bridge*.timer
exec python3 /root/judge.py by-hand'
else
    say "Booted: its own systemd starts it all"
    cat >"$root/root/booted.sh" <<END
set -eux
bash ${install[*]} --nightly-updates
python3 /root/judge.py booted
touch /root/judged
END
    cat >"$root/etc/systemd/system/booted.service" <<'END'
[Service]
Type=oneshot
Environment=HOME=/root LC_ALL=C.UTF-8
ExecStart=/bin/bash /root/booted.sh
ExecStopPost=systemctl --no-block poweroff
StandardOutput=append:/root/booted.log
StandardError=append:/root/booted.log
END
    ln -sf /etc/systemd/system/booted.service "$root/etc/systemd/system/multi-user.target.wants/"
    rm -f "$root/root/booted.log" "$root/root/judged"
    systemd-nspawn --quiet --boot --directory "$root" --private-network --register=no --keep-unit \
        --resolv-conf=off --console=pipe </dev/null >"$work/console" 2>&1 || tail "$work/console"
    cat "$root/root/booted.log"
    [ -e "$root/root/judged" ]
fi

say "As it should be."
