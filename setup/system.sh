#!/usr/bin/env bash
# Makes sure of the programs that the build needs: Rust, a C++ compiler, Python 3 with pip (which
# fetches libtorch); with the argument `tests`, also of those that the tests need. Installs what Debian packages,
# where it may; says what is missing otherwise.
set -euo pipefail

missing=()
command -v c++ >/dev/null || missing+=(g++)
command -v git >/dev/null || missing+=(git)
if [ -z "${LIBTORCH:-}${LIBTORCH_USE_PYTORCH:-}" ] && [ ! -e "$(dirname "$0")/../libtorch/build-version" ]; then
  python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip)
fi
if [ "${1:-}" = tests ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  # `make peers` makes a virtual environment.
  python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
  # What tests need; who cannot install these may go without, but where REG_STRICT=1.
  # The book checks a registry without reg, and the tests type what it says.
  command -v jq >/dev/null || missing+=(jq)
  command -v b3sum >/dev/null || missing+=(b3sum)
  # What reg signs, and the keys that it makes, are held against openssl.
  command -v openssl >/dev/null || missing+=(openssl)
  # Trainings are interrupted by the program, not by what the shell has built in.
  type -P kill >/dev/null || missing+=(procps)
  # The test of `reg study run --slurm` starts a Slurm of its own (20 s to install).
  for program in slurmctld slurmd munged sbatch; do
    command -v $program >/dev/null || [ -x /usr/sbin/$program ] || { missing+=(slurmctld slurmd slurm-client munge); break; }
  done
  # Pages are tested in a real browser: 130 MB, 15 s.
  command -v chromium >/dev/null || missing+=(chromium)
  command -v chromedriver >/dev/null || missing+=(chromium-driver)
  # Tables are printed by pdflatex and read back from the page: 150 MB, 30 s. `script` is a terminal of any width.
  command -v pdflatex >/dev/null && kpsewhich booktabs.sty >/dev/null || missing+=(texlive-latex-base texlive-latex-recommended)
  command -v pdftotext >/dev/null || missing+=(poppler-utils)
  command -v script >/dev/null || missing+=(bsdutils)
fi
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "setup: installing ${missing[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
  else
    echo "setup: missing: ${missing[*]}" >&2
    echo "hint: apt-get install ${missing[*]}, or what your system calls them" >&2
    exit 1
  fi
fi

command -v cargo >/dev/null || {
  echo "setup: Rust is missing" >&2
  echo "hint: install Rust 1.89 or newer with rustup" >&2
  exit 1
}
version=$(rustc --version | cut -d' ' -f2)
if [ "$(printf '%s\n' 1.89.0 "$version" | sort -V | head -n1)" != 1.89.0 ]; then
  echo "setup: Rust is $version, and reg needs 1.89 or newer" >&2
  echo "hint: rustup update" >&2
  exit 1
fi
