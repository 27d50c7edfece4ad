#!/usr/bin/env bash
# Builds the release archives into a directory, with their checksums and the list of what is in the
# binary (SBOM, CycloneDX). usage: release.sh <version> <tags> <ldflags> [<directory>]
# RELEASE_PLATFORMS chooses some, as in "linux/amd64 darwin/arm64".
set -euo pipefail
version=$1 tags=$2 ldflags=$3 out=${4:-dist/release}
sbom_tool=github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
platforms=${RELEASE_PLATFORMS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64}

rm -rf "$out"
mkdir -p "$out"
for platform in $platforms; do
  os=${platform%/*} arch=${platform#*/}
  name=slack-webhook-server_${version}_${os}_$arch
  program=slack-webhook-server
  [ "$os" = windows ] && program+=.exe
  echo "$name" >&2
  mkdir "$out/$name"
  CGO_ENABLED=0 GOOS=$os GOARCH=$arch go build -trimpath -tags "$tags" -ldflags "$ldflags" -o "$out/$name/$program" ./cmd/slack-webhook-server
  cp README.md LICENSE .env.example "$out/$name/"
  if [ "$os" = windows ]; then
    (cd "$out" && python3 -m zipfile -c "$name.zip" "$name/")
  else
    tar -C "$out" --sort=name --owner=0 --group=0 --mtime=@0 -czf "$out/$name.tar.gz" "$name"
  fi
  [ -n "${binary:-}" ] || { binary=$(mktemp -d) && cp "$out/$name/$program" "$binary/"; } # any of them: all have the same modules
  rm -r "${out:?}/$name"
done
GOOS='' GOARCH='' go run "$sbom_tool" bin -json -version "$version" -output "$out/slack-webhook-server_$version.cdx.json" "$binary/"* 2>/dev/null
rm -r "$binary"
(cd "$out" && sha256sum -- slack-webhook-server_* >SHA256SUMS)
echo "$out: check with sha256sum -c SHA256SUMS" >&2
