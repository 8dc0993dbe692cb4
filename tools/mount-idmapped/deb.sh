#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# deb.sh HERE TOOL OUT MAKE: makes the Debian package from a tool that is built. The version is the
# workspace's, the maintainer is that of DEBFULLNAME and DEBEMAIL or of git.

set -eu
here=$1 tool=$2 out=$3 make=$4
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$here/../Cargo.toml")
maintainer="${DEBFULLNAME:-$(git -C "$here" config user.name || echo root)}"
maintainer="$maintainer <${DEBEMAIL:-$(git -C "$here" config user.email || echo root@localhost)}>"
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"

# The directories of packages are those of a merged /usr.
"$make" -s -f "$here/Makefile" install tool="$tool" DESTDIR="$root" PREFIX=/usr HELPERDIR=/usr/sbin \
	zshdir=/usr/share/zsh/vendor-completions
ln -sf ../bin/mount-idmapped "$root/usr/sbin/mount.idmapped"
gzip -9n "$root/usr/share/man/man8/mount-idmapped.8"
rm "$root/usr/share/man/man8/mount.idmapped.8"
ln -s mount-idmapped.8.gz "$root/usr/share/man/man8/mount.idmapped.8.gz"

doc=$root/usr/share/doc/mount-idmapped
mkdir -p "$doc" "$root/debian" "$root/DEBIAN"
cat > "$doc/copyright" <<END
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: the authors of rust-idmapping
License: GPL-2
 On Debian systems, the text of the GNU General Public License version 2 is in
 /usr/share/common-licenses/GPL-2.
END
date=$(LC_ALL=C git -C "$here" log -1 --format=%cD 2>/dev/null || LC_ALL=C date -R)
gzip -9n > "$doc/changelog.gz" <<END
mount-idmapped ($version) unstable; urgency=medium

  * Built from the sources.

 -- $maintainer  $date
END

# dpkg-shlibdeps reads the name of the package from there.
printf 'Source: mount-idmapped\n\nPackage: mount-idmapped\nArchitecture: any\n' \
	> "$root/debian/control"
depends=$(cd "$root" && dpkg-shlibdeps -O usr/bin/mount-idmapped 2>/dev/null |
	sed -n 's/^shlibs:Depends=//p')
rm -r "$root/debian"
(cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum) > "$root/DEBIAN/md5sums"
cat > "$root/DEBIAN/control" <<END
Package: mount-idmapped
Version: $version
Section: admin
Priority: optional
Architecture: $(dpkg --print-architecture)
Maintainer: $maintainer
Installed-Size: $(du -sk --exclude=DEBIAN "$root" | cut -f1)
Depends: $depends, mount
Suggests: uidmap
Description: mount a tree with other owners than on disk
 An idmapped mount of Linux changes file ownership as seen through that mount;
 nothing changes on disk. This tool makes, lists and removes such mounts, from
 the command line, fstab and systemd units, and explains which check of the
 kernel refuses an operation through them.
END
dpkg-deb --root-owner-group --build "$root" "$out/" >/dev/null
echo "$out/mount-idmapped_${version}_$(dpkg --print-architecture).deb"
