#!/usr/bin/env bash
# Brings a bare Debian 12 or 13, Ubuntu 22.04 or 24.04 to a running bridge behind nginx:
# deploy/server.md says the same by hand. Safe to run again: each step says what it did,
# or that it was done already; what an owner changed by hand is left as it is.
# shellcheck disable=SC2317 # functions are handed to `make`
set -Eeuo pipefail
umask 022
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive PATH=$PATH:/usr/sbin:/sbin

usage() {
    cat <<'END'
bash deploy/install.sh --domain NAME [options]       as root

  --domain NAME       the site's name, which leads to this server
  --from ADDRESS      where the code is cloned from: your GitHub address, or a bare
                      repository of this computer; not needed in a clone
  --postgresql        PostgreSQL on this computer instead of SQLite
  --email ADDRESS     where Let's Encrypt writes if the certificate is about to end
  --no-certificate    one signed by ourselves, for the first look; no certbot
  --no-firewall       ufw is left as it is
  --owner NAME        the first owner's sign-in name; asked for on a terminal
  --nightly-updates   every night what somebody you trust has signed (run.py update)
  --dry-run           only say what would be done

On a terminal it asks for the tokens of .env; else it takes ALSTYLE_TOKEN, KASPI_TOKEN,
KASPI_MERCHANT_ID and KASPI_COMPANY from the environment. Left out, they are for later.
END
}

# The units, nginx.conf and apache.conf of deploy/ name the same.
readonly CODE=/opt/kaspi-bridge ACCOUNT=bridge
readonly FEED=/srv/kaspi-feed BACKUPS=/opt/kaspi-bridge-backups MARK=/var/lib/kaspi-bridge
# Ours: what was put where, and the certificate until there is a real one.
readonly KEPT=/etc/kaspi-bridge WEBROOT=/var/www/kaspi-bridge-acme
readonly SITE=/etc/nginx/sites-available/kaspi-bridge

domain='' from='' email='' owner=''
postgresql='' certificate=1 firewall=1 nightly='' dry=''
changed=0 found=0 left=()
step='reading the arguments'

die() {
    printf '\n%s\n' "$*" >&2
    exit 1
}

title() {
    step=$1
    printf '\n%s\n' "$1"
}

found() {
    found=$((found + 1))
    printf '  found  %s\n' "$1"
}

later() {
    left+=("$1")
    printf '  left   %s\n' "$1"
}

# make WHAT COMMAND…: do it, or with --dry-run only say so.
make() {
    local what=$1
    shift
    changed=$((changed + 1))
    if [ -n "$dry" ]; then
        printf '  would  %s\n' "$what"
        return
    fi
    "$@"
    printf '  done   %s\n' "$what"
}

stopped() {
    printf '\nStopped at "%s": the lines above say why. What is done stays done:\n' "$step" >&2
    printf 'mend it and start this again.\n' >&2
}

has_systemd() {
    [ -d /run/systemd/system ]
}

# A value of .env, as the bridge reads it.
setting() {
    local line
    line=$(grep -E "^$1=" "$CODE/.env" 2>/dev/null | tail -n 1) || true
    printf '%s' "${line#*=}"
}

# manage COMMAND…: as the account that runs the bridge.
manage() {
    (cd "$CODE" && python3 run.py manage "$@")
}

# put FILE MODE: write it from standard input, unless somebody changed it by hand. Sets
# `is_new` when it did.
put() {
    local file=$1 mode=$2 fresh sum
    is_new=''
    fresh=$(mktemp)
    cat >"$fresh"
    if cmp -s "$fresh" "$file"; then
        found "$file"
    elif [ -e "$file" ] && ! was_put "$file"; then
        later "$file was changed by hand and is left so; to have ours, move it away and start this again"
    else
        sum=$(sha256sum <"$fresh")
        make "$file" write "$fresh" "$file" "$mode" "${sum%% *}"
        is_new=1
    fi
    rm -f "$fresh"
}

was_put() {
    local sum
    sum=$(sha256sum <"$1")
    grep -qxF "${sum%% *}  $1" "$KEPT/installed" 2>/dev/null
}

write() {
    local fresh=$1 file=$2 mode=$3 sum=$4
    install -d -m 755 "$KEPT" "$(dirname "$file")"
    install -m "$mode" "$fresh" "$file"
    touch "$KEPT/installed"
    sed -i "\\|  $file\$|d" "$KEPT/installed"
    printf '%s  %s\n' "$sum" "$file" >>"$KEPT/installed"
}

# folder PATH OWNER GROUP MODE
folder() {
    if [ "$(stat -c '%U %G %a' "$1" 2>/dev/null)" = "$2 $3 $4" ]; then
        found "$1 ($2:$3, $4)"
    else
        make "$1 ($2:$3, $4)" install -d -o "$2" -g "$3" -m "$4" "$1"
    fi
}

# --- Steps ---------------------------------------------------------------------------

look_at_the_system() {
    title "The system"
    local name=unknown version=''
    if [ -r /etc/os-release ]; then
        # shellcheck disable=SC1091 # the system's own
        name=$(. /etc/os-release && printf '%s' "${ID:-unknown}")
        # shellcheck disable=SC1091
        version=$(. /etc/os-release && printf '%s' "${VERSION_ID:-}")
    fi
    case "$name $version" in
        "debian 12" | "debian 13" | "ubuntu 22.04" | "ubuntu 24.04") found "$name $version" ;;
        *)
            command -v apt-get >/dev/null || die "This needs Debian or Ubuntu; here is $name $version."
            printf '  note   %s %s: this was not tried there\n' "$name" "$version"
            ;;
    esac
    has_systemd || printf '  note   systemd does not run here: what needs it is left\n'
}

install_packages() {
    title "Packages"
    local wanted=(git python3 python3-venv ca-certificates openssl tzdata nginx fail2ban python3-systemd) missing=() name
    [ -z "$firewall" ] || wanted+=(ufw)
    [ -z "$certificate" ] || wanted+=(certbot)
    [ -z "$postgresql" ] || wanted+=(postgresql postgresql-client)
    # The deadlines are Kaspi's: the clock must be right.
    if ! installed chrony && ! installed ntpsec && ! installed openntpd; then
        wanted+=(systemd-timesyncd)
    fi
    for name in "${wanted[@]}"; do
        installed "$name" || missing+=("$name")
    done
    if [ ${#missing[@]} -eq 0 ]; then
        found "${wanted[*]}"
    else
        make "${missing[*]}" apt_install "${missing[@]}"
    fi
    [ -n "$dry" ] || python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
        die "Python 3.10 or newer is needed; here is $(python3 --version)."
}

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

apt_install() {
    apt-get update -q </dev/null >/dev/null
    apt-get install -qy --no-install-recommends "$@" </dev/null >/dev/null
}

make_account() {
    title "Accounts: root owns and updates the code, $ACCOUNT runs it and writes only its data"
    if id "$ACCOUNT" >/dev/null 2>&1; then
        found "the account $ACCOUNT"
    else
        make "the account $ACCOUNT" useradd --system --user-group --no-create-home \
            --home-dir "$CODE" --shell /usr/sbin/nologin "$ACCOUNT"
    fi
}

bring_code() {
    title "The code in $CODE"
    local address
    if [ -d "$CODE/.git" ]; then
        address=$(git -C "$CODE" remote get-url origin 2>/dev/null) || address=''
        [ -z "$from" ] || [ "$from" = "$address" ] ||
            die "$CODE was cloned from another address: git -C $CODE remote set-url origin … if that is meant."
        [ "$(stat -c %U "$CODE")" = root ] ||
            die "$CODE is not root's: chown -R root:root $CODE, then start this again."
        found "a clone of $(without_password "$address")"
    else
        [ ! -e "$CODE" ] || [ -z "$(ls -A "$CODE")" ] || die "$CODE is there and is no clone: move it away."
        [ -n "$from" ] || from=$(git -C "$deploy" remote get-url origin 2>/dev/null) ||
            die "Where is the code? --from ADDRESS"
        make "cloned from $(without_password "$from")" git clone --quiet "$from" "$CODE"
        # The address may hold a password of GitHub's.
        [ -n "$dry" ] || chmod 600 "$CODE/.git/config"
    fi
    [ -f "$deploy/nginx.conf" ] || deploy=$CODE/deploy
    [ -f "$deploy/nginx.conf" ] || [ -n "$dry" ] || die "$deploy lacks nginx.conf: is that the bridge's repository?"
}

without_password() {
    printf '%s' "$1" | sed -E 's|//[^/@]*@|//|'
}

make_folders() {
    title "Folders"
    folder "$CODE/var" "$ACCOUNT" "$ACCOUNT" 700
    folder "$CODE/releases" root root 755
    folder "$CODE/releases/state" "$ACCOUNT" "$ACCOUNT" 755
    folder "$BACKUPS" "$ACCOUNT" "$ACCOUNT" 700
    folder "$MARK" "$ACCOUNT" "$ACCOUNT" 700
    # The 2 hands the web server's group on to the lists.
    folder "$FEED" "$ACCOUNT" www-data 2750
}

write_settings() {
    title "Settings in $CODE/.env"
    if [ -e "$CODE/.env" ]; then
        found "it is there, and stays as it is"
        if [ -n "$postgresql" ] && [[ $(setting DATABASE_URL) != postgres* ]]; then
            die "--postgresql, but .env names no PostgreSQL in DATABASE_URL. Leave it out, or begin with a new .env."
        fi
    else
        ask_for_settings
        make "a new one, with a SECRET_KEY and a login for the price list" fresh_settings
    fi
    if [ "$(stat -c '%U %G %a' "$CODE/.env" 2>/dev/null)" != "root $ACCOUNT 640" ]; then
        make "its rights (root:$ACCOUNT, 640)" give_settings
    fi
}

give_settings() {
    chown "root:$ACCOUNT" "$CODE/.env"
    chmod 640 "$CODE/.env"
}

declare -A told=()

ask_for_settings() {
    local name what
    for name in ALSTYLE_TOKEN KASPI_TOKEN KASPI_MERCHANT_ID KASPI_COMPANY; do
        told[$name]=${!name:-}
        if [ ! -t 0 ] || [ -n "$dry" ] || [ -n "${told[$name]}" ]; then
            continue
        fi
        case $name in
            ALSTYLE_TOKEN) what="Al-Style's access token (not shown; empty = later)" ;;
            KASPI_TOKEN) what="Kaspi's API token (not shown; empty = later)" ;;
            KASPI_MERCHANT_ID) what="the merchant id of Kaspi's cabinet (empty = later)" ;;
            *) what="the company's name as Kaspi knows it (empty = later)" ;;
        esac
        if [[ $name == *_TOKEN ]]; then
            read -rsp "         $what: " "told[$name]"
            echo
        else
            read -rp "         $what: " "told[$name]"
        fi
    done
}

# Made of .env.example: what is not told here stays there as its default.
fresh_settings() {
    told[SECRET_KEY]=$(openssl rand -hex 40)
    told[ALLOWED_HOSTS]=$domain
    told[CSRF_TRUSTED_ORIGINS]=https://$domain
    told[FEED_DIR]=$FEED
    told[FEED_USER]=kaspi
    told[FEED_PASSWORD]=$(openssl rand -hex 12)
    told[BACKUP_DIR]=$BACKUPS
    told[EPOCH_MARK]=$MARK/epoch.json
    if [ -n "$postgresql" ]; then
        told[DATABASE_URL]=postgres://$ACCOUNT:$(openssl rand -hex 20)@127.0.0.1:5432/$ACCOUNT
    fi
    local line name text=''
    while IFS= read -r line; do
        if [[ $line =~ ^#?\ ?([A-Z][A-Z0-9_]*)= ]]; then
            name=${BASH_REMATCH[1]}
            [ -z "${told[$name]:-}" ] || line="$name=${told[$name]}"
        fi
        text+=$line$'\n'
    done <"$CODE/.env.example"
    # Beside it first: a half-written one would stay for ever.
    (umask 077 && printf '%s' "$text" >"$CODE/.env.new")
    chown "root:$ACCOUNT" "$CODE/.env.new"
    chmod 640 "$CODE/.env.new"
    mv "$CODE/.env.new" "$CODE/.env"
}

make_database() {
    title "Database"
    local url
    url=$(setting DATABASE_URL)
    if [ -z "$url" ] && [ -n "$dry" ] && [ -n "$postgresql" ]; then
        make "PostgreSQL's role and database $ACCOUNT" true
        return
    fi
    if [[ $url != postgres* ]]; then
        found "SQLite in $CODE/var; it is made with its tables"
        return
    fi
    if [[ ! $url =~ ^postgres(ql)?://$ACCOUNT:([0-9a-f]+)@127\.0\.0\.1:5432/$ACCOUNT$ ]]; then
        found "PostgreSQL as DATABASE_URL names it: not this script's"
        return
    fi
    local password=${BASH_REMATCH[2]}
    if has_systemd; then
        systemctl is-active --quiet postgresql || make "PostgreSQL started" systemctl enable --now --quiet postgresql
    elif ! sql 'SELECT 1' >/dev/null 2>&1; then
        make "PostgreSQL started, until this computer stops" start_postgresql
    fi
    # It may make databases: each nightly backup is proven by restoring it into one.
    if [ "$(sql "SELECT rolcreatedb FROM pg_roles WHERE rolname = '$ACCOUNT'" 2>/dev/null)" != t ]; then
        make "the role $ACCOUNT" make_role "$password"
    elif ! PGPASSWORD=$password psql -h 127.0.0.1 -U "$ACCOUNT" -d postgres -qAtc 'SELECT 1' >/dev/null 2>&1; then
        make "the role's password, as .env has it" make_role "$password"
    else
        found "the role $ACCOUNT, with the password of .env"
    fi
    if [ "$(sql "SELECT 1 FROM pg_database WHERE datname = '$ACCOUNT'" 2>/dev/null)" = 1 ]; then
        found "the database $ACCOUNT"
    else
        # Under plain C a search would tell МЫШЬ from мышь.
        make "the database $ACCOUNT" in_root runuser -u postgres -- createdb \
            -E UTF8 --locale=C.UTF-8 -T template0 -O "$ACCOUNT" "$ACCOUNT"
    fi
}

in_root() {
    (cd / && "$@")
}

# By standard input: a password in an argument could be seen by everybody.
sql() {
    in_root runuser -u postgres -- psql -qAt -v ON_ERROR_STOP=1 <<<"$1"
}

make_role() {
    [ -n "$(sql "SELECT 1 FROM pg_roles WHERE rolname = '$ACCOUNT'")" ] || sql "CREATE ROLE $ACCOUNT"
    sql "ALTER ROLE $ACCOUNT LOGIN CREATEDB PASSWORD '$1'"
}

start_postgresql() {
    service postgresql start >/dev/null
    local _try
    for _try in {1..60}; do
        sql 'SELECT 1' >/dev/null 2>&1 && return
        sleep 0.5
    done
    die "PostgreSQL does not start."
}

prepare_code() {
    title "Python's packages, the pages' files, the tables"
    local release revision
    release=$(cat "$CODE/releases/state/current" 2>/dev/null) || release=.
    if [ "$release" != . ]; then
        found "release $release runs, and run.py update brought what it needs"
    else
        revision=$(git -C "$CODE" rev-parse HEAD 2>/dev/null) || revision=''
        if [ -n "$revision" ] && [ "$(cat "$KEPT/prepared" 2>/dev/null)" = "$revision" ] && [ -x "$CODE/.venv/bin/python" ]; then
            found "$CODE/.venv and staticfiles, for ${revision:0:12}"
        else
            make "$CODE/.venv and staticfiles (takes some minutes)" collect
        fi
    fi
    if [ -n "$dry" ] && [ ! -x "$CODE/.venv/bin/python" ]; then
        make "the tables, roles and schedules" true
    elif manage migrate --check --skip-checks >/dev/null 2>&1; then
        found "the tables are up to date"
    else
        make "the tables, roles and schedules" migrate
    fi
}

collect() {
    install -d -m 755 "$KEPT"
    # Into the code's folder, which is root's; without a log, which is not.
    (cd "$CODE" && LOG_FILE=- python3 run.py manage collectstatic --noinput -v 0)
    # Who runs it may not write there, and would compile it at each start.
    "$CODE/.venv/bin/python" -m compileall -q -x '/(tests|bench|releases|\.venv|var)/' "$CODE" || true
    git -C "$CODE" rev-parse HEAD >"$KEPT/prepared"
}

migrate() {
    # What .env lacks yet is told below, and refused at the start.
    manage migrate --noinput -v 0 --skip-checks
    manage sync_roles --skip-checks
    manage sync_schedules --skip-checks
}

# What serve asks for is set: it would start.
are_settings_whole() {
    [ -x "$CODE/.venv/bin/python" ] && manage check --tag bridge >/dev/null 2>&1
}

make_owner() {
    title "The first owner"
    if ! are_settings_whole; then
        if [ -n "$dry" ]; then
            make "${owner:-a name that is asked for}, with a temporary password" true
            return
        fi
        manage check --tag bridge 2>&1 | grep -E '^\?:|HINT' | sed 's/^/         /' || true
        later "fill in what is named above (nano $CODE/.env), then start this again"
        return
    fi
    if has_owner; then
        found "there is one"
        return
    fi
    if [ -z "$owner" ] && [ -t 0 ] && [ -z "$dry" ]; then
        read -rp "         the first owner's sign-in name (empty = later): " owner
    fi
    if [ -z "$owner" ]; then
        later "the first owner: cd $CODE && python3 run.py manage create_staff NAME --role owner"
    else
        make "$owner" manage create_staff "$owner" --role owner
    fi
}

has_owner() {
    manage shell --no-imports -c "
import sys
from django.contrib.auth.models import User
sys.exit(not User.objects.filter(is_active=True, groups__name='owner').exists())"
}

start_services() {
    title "Services"
    local unit is_new='' are_new=''
    for unit in kaspi-bridge.service kaspi-bridge-update.service kaspi-bridge-update.timer; do
        put "/etc/systemd/system/$unit" 644 < <(deployed "systemd/$unit")
        are_new+=$is_new
    done
    if ! has_systemd; then
        later "without systemd nothing is started: cd $CODE && runuser -u $ACCOUNT -- python3 run.py serve"
        return
    fi
    [ -z "$are_new" ] || make "systemd has read its units" systemctl daemon-reload
    if ! are_settings_whole; then
        later "kaspi-bridge is started when .env is filled in"
    elif systemctl is-active --quiet kaspi-bridge && systemctl is-enabled --quiet kaspi-bridge; then
        found "kaspi-bridge runs, and will after a start of the computer"
        [ -z "$are_new" ] || later "its unit is new: systemctl restart kaspi-bridge, when ten seconds without it do no harm"
    else
        make "kaspi-bridge runs, and will after a start of the computer" systemctl enable --now --quiet kaspi-bridge
    fi
    if systemctl is-enabled --quiet kaspi-bridge-update.timer 2>/dev/null; then
        found "updates every night, of what is signed"
    elif [ -n "$nightly" ]; then
        make "updates every night, of what is signed" systemctl enable --now --quiet kaspi-bridge-update.timer
    else
        found "updates by hand: run.py update (--nightly-updates does it every night)"
    fi
}

# A file of deploy/; with --dry-run there may be none yet.
deployed() {
    if [ -f "$deploy/$1" ] || [ -z "$dry" ]; then
        cat "$deploy/$1"
    fi
}

serve_web() {
    title "nginx for $domain"
    local is_new='' was_new=''
    if ! has_certificate; then
        if [ -s "$KEPT/self-signed.pem" ]; then
            found "a certificate signed by ourselves, until there is a real one"
        else
            make "a certificate signed by ourselves, until there is a real one" sign_ourselves
        fi
    fi
    folder "$WEBROOT" root root 755
    put "$SITE" 644 < <(site)
    was_new=$is_new
    if [ "$(readlink /etc/nginx/sites-enabled/kaspi-bridge 2>/dev/null)" = "$SITE" ]; then
        found "it is switched on"
    else
        make "it is switched on" ln -sfn "$SITE" /etc/nginx/sites-enabled/kaspi-bridge
        was_new=1
    fi
    [ -n "$dry" ] || nginx -t -q
    if ! has_systemd; then
        later "without systemd nginx is started, and told of changes, by hand: nginx, nginx -s reload"
    elif ! systemctl is-active --quiet nginx; then
        make "nginx runs" systemctl enable --now --quiet nginx
    elif [ -n "$was_new" ]; then
        make "nginx has read it" systemctl reload nginx
    fi
}

has_certificate() {
    [ -s "/etc/letsencrypt/live/$domain/fullchain.pem" ]
}

sign_ourselves() {
    install -d -m 755 "$KEPT"
    openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=$domain" \
        -keyout "$KEPT/self-signed.key" -out "$KEPT/self-signed.pem" 2>/dev/null
    chmod 600 "$KEPT/self-signed.key"
}

site() {
    local changes=()
    if ! has_certificate; then
        changes+=(-e "s|/etc/letsencrypt/live/bridge.example/fullchain.pem|$KEPT/self-signed.pem|")
        changes+=(-e "s|/etc/letsencrypt/live/bridge.example/privkey.pem|$KEPT/self-signed.key|")
    fi
    [ -e /proc/net/if_inet6 ] || changes+=(-e '/listen \[::\]/d')
    deployed nginx.conf | sed "${changes[@]}" -e "s/bridge\.example/$domain/g"
}

close_firewall() {
    title "Firewall: ssh, 80 and 443 only"
    local rules port
    if [ -z "$firewall" ]; then
        found "left as it is (--no-firewall)"
        return
    fi
    rules=$(ufw show added 2>/dev/null) || rules=''
    for port in $(ssh_ports) 80 443; do
        if grep -qx "ufw allow $port/tcp" <<<"$rules"; then
            found "$port/tcp is let in"
        else
            make "$port/tcp is let in" quietly ufw allow "$port/tcp"
        fi
    done
    if ! has_systemd; then
        later "without systemd it is not switched on: ufw enable"
    elif ufw status | grep -qx 'Status: active'; then
        found "ufw is on"
    else
        make "ufw is on" quietly ufw --force enable
    fi
}

quietly() {
    "$@" >/dev/null
}

# Where this very connection came in, and where sshd listens: neither may be shut.
ssh_ports() {
    local ports
    ports=$({
        echo "${SSH_CONNECTION:-}" | awk 'NF == 4 { print $4 }'
        sshd -T 2>/dev/null | awk '$1 == "port" { print $2 }'
        systemctl show ssh.socket -p Listen 2>/dev/null | grep -oE ':[0-9]+ ' | tr -d ': '
    } | sort -un) || true
    echo "${ports:-22}"
}

get_certificate() {
    title "Certificate"
    if has_certificate; then
        found "Let's Encrypt's for $domain; certbot's timer renews it"
        return
    fi
    if [ -z "$certificate" ]; then
        later "a real certificate: Kaspi trusts none that we signed ourselves; start this again without --no-certificate"
        return
    fi
    local how=(--webroot -w "$WEBROOT" -d "$domain" --deploy-hook 'systemctl reload nginx')
    how+=(--non-interactive --agree-tos)
    if [ -n "$email" ]; then how+=(--email "$email"); else how+=(--register-unsafely-without-email); fi
    if [ -n "$dry" ]; then
        make "Let's Encrypt's for $domain" true
    elif ! has_systemd; then
        later "without systemd no certificate is asked for: certbot certonly ${how[*]}"
    elif certbot certonly "${how[@]}"; then
        make "Let's Encrypt's for $domain; certbot's timer renews it" true
        serve_web
    else
        later "the certificate: $domain must lead to this server and port 80 be open from outside; then start this again"
    fi
}

watch_sign_ins() {
    title "fail2ban"
    local is_new='' are_new='' kind
    for kind in filter jail; do
        put "/etc/fail2ban/$kind.d/kaspi-bridge.conf" 644 < <(deployed "fail2ban/$kind.conf")
        are_new+=$is_new
    done
    # A bare Debian keeps no /var/log/auth.log, without which fail2ban would not start.
    put /etc/fail2ban/jail.d/sshd-journal.conf 644 <<<$'[sshd]\nbackend = systemd'
    are_new+=$is_new
    [ -n "$dry" ] || quietly fail2ban-client -t
    if ! has_systemd; then
        later "without systemd fail2ban is not started"
    elif ! systemctl is-active --quiet fail2ban; then
        make "fail2ban runs" systemctl enable --now --quiet fail2ban
    elif [ -n "$are_new" ]; then
        make "fail2ban has read them" quietly fail2ban-client reload
    fi
}

tell_the_end() {
    local admin
    printf '\n%s: %d; found done: %d; left: %d\n' "${dry:+would be }changed" "$changed" "$found" "${#left[@]}"
    [ ${#left[@]} -eq 0 ] || printf '  - %s\n' "${left[@]}"
    [ -z "$dry" ] || return 0
    admin=$(setting ADMIN_PATH)
    cat <<END

The admin:  https://$domain/${admin:-admin}/

For Kaspi's cabinet (Товары → Загрузить прайс-лист → Автоматическая загрузка):
  link      https://$domain/kaspi_price_list.xml
  login     $(setting FEED_USER)
  password  $(setting FEED_PASSWORD)

How it is:  cd $CODE && python3 run.py manage doctor
Updates:    cd $CODE && python3 run.py update
Keep $CODE/.env elsewhere as well: no backup holds the secrets.
END
}

# --- The whole ------------------------------------------------------------------------

while [ $# -gt 0 ]; do
    case $1 in
        --domain | --from | --email | --owner)
            [ -n "${2:-}" ] || die "$1 wants a value. See --help."
            printf -v "${1#--}" '%s' "$2"
            shift
            ;;
        --postgresql) postgresql=1 ;;
        --no-certificate) certificate='' ;;
        --no-firewall) firewall='' ;;
        --nightly-updates) nightly=1 ;;
        --dry-run) dry=1 ;;
        -h | --help)
            usage
            exit 0
            ;;
        *) die "$1 is not known here. See --help." ;;
    esac
    shift
done
if [ -z "$domain" ]; then
    domain=$(setting CSRF_TRUSTED_ORIGINS)
    domain=${domain%%,*}
    domain=${domain#https://}
fi
domain=${domain,,}
[ -n "$domain" ] || die "The site's name is missing: --domain shop.example.kz"
[[ $domain =~ ^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$ ]] || die "$domain is no name of a site."
[ -n "$dry" ] || [ "$(id -u)" = 0 ] || die "Start this as root: sudo bash $0 …"
deploy=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

main() {
    trap stopped ERR
    if [ -z "$dry" ]; then
        exec 9>/run/lock/kaspi-bridge-install
        flock -n 9 || die "This runs already in another window."
    fi
    look_at_the_system
    install_packages
    make_account
    bring_code
    make_folders
    write_settings
    make_database
    prepare_code
    make_owner
    start_services
    serve_web
    close_firewall
    get_certificate
    watch_sign_ins
    tell_the_end
}

# Read whole before anything is done: an update may replace this file meanwhile.
{
    main
    exit 0
}
