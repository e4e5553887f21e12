#!/usr/bin/env bash
# Adds to the wheels in ./dist what else is published: an archive of `reg` for whoever has no Python, the program that checks
# audit bundles, checksums, and a signed statement about all of it. With REG_RELEASE_KEY, the path of a private key, the statement is
# signed; without it there is none.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
reg=$(realpath "$target/release/reg")
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n1)
name=reg-$version-$(uname -m)-linux

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/$name/completions"
cp "$reg" README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT "$work/$name/"
"$reg" man -o "$work/$name/man" >/dev/null
for shell in bash fish zsh; do
  "$reg" completions "$shell" >"$work/$name/completions/reg.$shell"
done
# The same files give the same bytes.
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime='2000-01-01 00:00Z' -C "$work" -c "$name" | gzip -9n >"dist/$name.tar.gz"
"$reg" audit check-program >dist/check.py

cd dist
rm -f SHA256SUMS ./*.intoto.json
sha256sum -- *.whl *.tar.gz check.py >SHA256SUMS
if [ -n "${REG_RELEASE_KEY:-}" ]; then
  "$reg" attest --files ./*.whl ./*.tar.gz check.py SHA256SUMS --key "$REG_RELEASE_KEY" --output "reg-$version.intoto.json"
else
  echo "release: REG_RELEASE_KEY names no key, so nothing is signed"
fi
cat SHA256SUMS
"$reg" --version
