#!/usr/bin/env bash
# Makes an OCI image, as a tar to load, from Debian's busybox-static: an HTTP server on port 80
# whose page is the pod's host name.  usage: demo.sh OUT.tar [NAME:TAG]
set -euo pipefail
out=$1
name=${2:-podium/demo:1}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root"/{bin,etc,tmp,proc,sys,dev,www/cgi-bin,usr/share/nginx/html}
chmod 1777 "$root/tmp"
cp "$(command -v busybox)" "$root/bin/busybox"
for applet in sh ls cat echo sleep date env id hostname ps kill wget nc nslookup httpd tar mkdir rm touch \
    head tail grep sed awk cut sort seq stat test true false printf dd mount df du find xargs tty stty vi chmod \
    chown ln mv cp pwd uname whoami timeout yes tr wc nproc free top ip ping; do
    ln -s busybox "$root/bin/$applet"
done
echo 'root:x:0:0:root:/:/bin/sh' >"$root/etc/passwd"
echo 'nobody:x:65534:65534:nobody:/:/bin/false' >>"$root/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
cat >"$root/www/cgi-bin/host" <<'TXT'
#!/bin/sh
printf 'Content-Type: text/plain\r\n\r\n'
echo "hello from $(hostname)"
TXT
chmod +x "$root/www/cgi-bin/host"
cat >"$root/bin/serve" <<'TXT'
#!/bin/sh
# Serves /www on port 80; "/" says which pod answered.
echo "hello from $(hostname)" >/www/index.html
trap 'kill $!; exit 0' TERM INT
httpd -f -p "${PORT:-80}" -h /www &
wait
TXT
chmod +x "$root/bin/serve"
image=$work/image
mkdir -p "$image/blobs/sha256"
blob() { # FILE: moves it among the blobs, prints its digest
    local digest
    digest=$(sha256sum "$1" | cut -d' ' -f1)
    mv "$1" "$image/blobs/sha256/$digest"
    echo "$digest"
}
tar -C "$root" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -cf "$work/layer.tar" .
diff=$(sha256sum "$work/layer.tar" | cut -d' ' -f1)
gzip -n "$work/layer.tar"
size_layer=$(stat -c %s "$work/layer.tar.gz")
layer=$(blob "$work/layer.tar.gz")
case $(uname -m) in aarch64) arch=arm64 ;; *) arch=amd64 ;; esac
printf '{"architecture":"%s","os":"linux","config":{"Env":["PATH=/bin"],"Cmd":["/bin/serve"],"WorkingDir":"/"},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
    "$arch" "$diff" >"$work/config"
size_config=$(stat -c %s "$work/config")
config=$(blob "$work/config")
printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%s","size":%s},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:%s","size":%s}]}' \
    "$config" "$size_config" "$layer" "$size_layer" >"$work/manifest"
size_manifest=$(stat -c %s "$work/manifest")
manifest=$(blob "$work/manifest")
printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%s,"annotations":{"org.opencontainers.image.ref.name":"%s","io.containerd.image.name":"%s"}}]}' \
    "$manifest" "$size_manifest" "$name" "$name" >"$image/index.json"
echo '{"imageLayoutVersion":"1.0.0"}' >"$image/oci-layout"
tar -C "$image" -cf "$out" .
