#!/bin/sh
# pod.sh ROOT UID [SOURCE:TARGET:ro|rw]… -- COMMAND…: run a command as a container of a pod would run.
# It sees a read-only root of this machine's programs with the mounts given, runs as UID without capabilities and
# can gain none. Needs root; the mounts vanish with the process, whose id is that of this script.
set -eu
if [ "${POD_NAMESPACE_ENTERED:-}" = "" ]; then
  POD_NAMESPACE_ENTERED=1 exec unshare --mount --propagation private -- /bin/sh "$0" "$@"
fi
unset POD_NAMESPACE_ENTERED
root=$1 user=$2
shift 2

mount -t tmpfs -o mode=755 rootfs "$root"
place() { # a mount point like the source
  if [ -d "$1" ]; then mkdir -p "$root$2"; else mkdir -p "$root$(dirname "$2")" && touch "$root$2"; fi
}
show() {
  place "$1" "$2"
  mount --bind "$1" "$root$2"
  if [ "$3" = ro ]; then mount -o remount,bind,ro "$root$2"; fi
}
mkdir -p "$root/proc" "$root/dev" "$root/var/lib" "$root/etc"
for path in /bin /lib /lib64 /sbin; do
  if [ -L "$path" ]; then cp -P "$path" "$root$path"; elif [ -d "$path" ]; then show "$path" "$path" ro; fi
done
mkdir "$root/run"
ln -s ../run "$root/var/run"
show /usr /usr ro
show /etc/ssl /etc/ssl ro
for device in null zero random urandom; do show "/dev/$device" "/dev/$device" rw; done
mount -t proc proc "$root/proc" 2>/dev/null || mount --rbind /proc "$root/proc"
while [ "$1" != -- ]; do
  show "${1%%:*}" "$(echo "$1" | cut -d: -f2)" "${1##*:}"
  shift
done
shift
mount -o remount,ro "$root"
exec chroot "$root" /usr/bin/setpriv --reuid "$user" --regid "$user" --clear-groups --no-new-privs \
  --inh-caps=-all --bounding-set=-all -- "$@"
