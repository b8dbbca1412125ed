#!/bin/sh
# make setup：在 .venv 里建立运行环境。用法：sh scripts/setup.sh <完成标记文件>
# PYTHON=python3.12 可指定解释器；不指定时沿用已有的 .venv，没有则在本机找 3.11–3.13。
set -eu

stamp=$1
uv_version=0.13.9
unset VIRTUAL_ENV PYTHONHOME PYTHONPATH

in_range() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1
}
has_venv() {
    "$1" -c 'import venv, ensurepip' >/dev/null 2>&1
}
version_of() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true
}
fail() {
    echo "$1" >&2
    exit 1
}

chosen=
if [ -n "${PYTHON:-}" ]; then
    in_range "$PYTHON" || fail "PYTHON=$PYTHON 不可用：需要 Python 3.11、3.12 或 3.13。"
    chosen=$PYTHON
elif in_range .venv/bin/python; then
    chosen=.venv/bin/python
else
    without_venv=
    for candidate in python3 python3.13 python3.12 python3.11 python; do
        in_range "$candidate" || continue
        if has_venv "$candidate"; then
            chosen=$candidate
            break
        fi
        without_venv=${without_venv:-$candidate}
    done
    chosen=${chosen:-$without_venv}
fi
[ -n "$chosen" ] || fail "没有找到 Python 3.11–3.13：请安装其中一个（例如软件包 python3.12 和 python3.12-venv），或用 PYTHON=解释器 make setup 指定。"

version=$(version_of "$chosen")
if [ "$(version_of .venv/bin/python)" != "$version" ] || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    has_venv "$chosen" || fail "Python $version 缺少 venv 模块：请安装软件包 python3-venv（或 python$version-venv）后再运行 make setup。"
    echo "建立 .venv（Python $version）"
    "$chosen" -m venv --clear .venv || fail "建立 .venv 失败：请确认已安装软件包 python3-venv（或 python$version-venv），且磁盘未满。"
fi

case "$(.venv/bin/uv --version 2>/dev/null || true)" in
    "uv $uv_version"*) ;;
    *) .venv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$uv_version" ;;
esac
# --inexact：uv 自己也装在 .venv 里，不在锁文件中，不能被清掉。
UV_PROJECT_ENVIRONMENT=.venv .venv/bin/uv sync --frozen --inexact --quiet --python .venv/bin/python \
    --extra dev --extra cluster
mkdir -p "$(dirname "$stamp")"
echo "Python $version" >"$stamp"
echo "环境已就绪：.venv（Python $version）"
