#!/usr/bin/env bash
# Installs the Debian packages that reir's development needs and that pip cannot bring.
#
#   scripts/setup-system.sh                 everything but wrk
#   scripts/setup-system.sh venv font       only what is named
#
#   venv      python3-venv                  to create .venv
#   font      fonts-noto-color-emoji        the glyphs of the emoji scenes (not needed to search or to run the demo)
#   chromium  chromium                      tests of the page in a real browser
#   postgres  postgresql (server binaries)  tests of the image table on PostgreSQL
#   wordnet   wordnet-base                  tests of synonyms (not needed to search)
#   wrk       wrk                           load for benchmarks/bench_serve.py; only when named
#
# What is there already is left alone. Without apt-get or without root (or a sudo that asks nothing), nothing is
# changed: the script says what is missing and exits 1. No service is needed and none is configured.
set -euo pipefail

present() {
    case "$1" in
        venv) "${PYTHON:-python3}" -c 'import ensurepip, venv' 2>/dev/null ;;
        font) [ -e /usr/share/fonts/truetype/noto/NotoColorEmoji.ttf ] ;;
        chromium) command -v chromium >/dev/null ;;
        postgres) command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null ;;
        wordnet) [ -e /usr/share/wordnet/index.noun ] ;;
        wrk) command -v wrk >/dev/null ;;
    esac
}

package_of() {
    case "$1" in
        venv) echo python3-venv ;;
        font) echo fonts-noto-color-emoji ;;
        chromium) echo chromium ;;
        postgres) echo postgresql ;;
        wordnet) echo wordnet-base ;;
        wrk) echo wrk ;;
        *) echo "setup-system.sh: no part named '$1' (there are: venv font chromium postgres wordnet wrk)" >&2; exit 2 ;;
    esac
}

[ $# -gt 0 ] || set -- venv font chromium postgres wordnet
packages=()
for part in "$@"; do
    package=$(package_of "$part")
    present "$part" || packages+=("$package")
done
[ "${#packages[@]}" -gt 0 ] || exit 0

run=()
if [ "$(id -u)" -ne 0 ]; then
    run=(sudo -n)
fi
if ! command -v apt-get >/dev/null || { [ "${#run[@]}" -gt 0 ] && ! sudo -n true 2>/dev/null; }; then
    echo "Missing: ${packages[*]} (names of Debian's packages). Tests that need them are skipped." >&2
    echo "Install them with: sudo apt-get install ${packages[*]}" >&2
    exit 1
fi

echo "Installing ${packages[*]}" >&2
"${run[@]}" apt-get update -qq
"${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >&2
