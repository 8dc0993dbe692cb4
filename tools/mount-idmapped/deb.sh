#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# deb.sh HERE TARGET OUT MAKE: makes the Debian packages from what is built in TARGET: the tool, the
# library for C, and its header. The version is the workspace's, the maintainer is that of DEBFULLNAME
# and DEBEMAIL or of git.

set -eu
here=$1 target=$2 out=$3 make=$4
library=$here/../idmap-c
mit=$here/../idmap/LICENSE-MIT
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$here/../Cargo.toml")
maintainer="${DEBFULLNAME:-$(git -C "$here" config user.name || echo root)}"
maintainer="$maintainer <${DEBEMAIL:-$(git -C "$here" config user.email || echo root@localhost)}>"
date=$(LC_ALL=C git -C "$here" log -1 --format=%cD 2>/dev/null || LC_ALL=C date -R)
architecture=$(dpkg --print-architecture)
libdir=/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)
top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT
mkdir -p "$out"

# The packages on which the programs and libraries of $root depend.
shlibs() {
	# dpkg-shlibdeps reads the name of the package from there.
	mkdir "$root/debian"
	printf 'Source: %s\n\nPackage: %s\nArchitecture: any\n' "$1" "$1" > "$root/debian/control"
	(cd "$root" && dpkg-shlibdeps -O "$2" 2>/dev/null) | sed -n 's/^shlibs:Depends=//p'
	rm -r "$root/debian"
}

# package NAME LICENSE: makes a package of $root, with the fields of the standard input.
package() {
	doc=$root/usr/share/doc/$1
	mkdir -p "$doc" "$root/DEBIAN"
	cat > "$doc/copyright" <<-END
		Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

		Files: *
		Copyright: the authors of rust-idmapping
		License: $2
	END
	case $2 in
	*GPL-2*) printf '%s\n' '' 'License: GPL-2' \
		' On Debian systems, the text of the GNU General Public License version 2 is in' \
		' /usr/share/common-licenses/GPL-2.' >> "$doc/copyright" ;;
	esac
	case $2 in
	*Expat*) { printf '\nLicense: Expat\n'; sed -e 's/^$/./' -e 's/^/ /' "$mit"; } \
		>> "$doc/copyright" ;;
	esac
	gzip -9n > "$doc/changelog.gz" <<-END
		$1 ($version) unstable; urgency=medium

		  * Built from the sources.

		 -- $maintainer  $date
	END
	(cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum) > "$root/DEBIAN/md5sums"
	{
		printf '%s\n' "Package: $1" "Version: $version" 'Priority: optional' \
			"Architecture: $architecture" "Maintainer: $maintainer" \
			"Installed-Size: $(du -sk --exclude=DEBIAN "$root" | cut -f1)"
		cat
	} > "$root/DEBIAN/control"
	dpkg-deb --root-owner-group --build "$root" "$out/" >/dev/null
	echo "$out/$1_${version}_$architecture.deb"
}

# The directories of packages are those of a merged /usr.
root=$top/tool
mkdir -m 755 "$root"
"$make" -s -f "$here/Makefile" install tool="$target/release/mount-idmapped" DESTDIR="$root" \
	PREFIX=/usr HELPERDIR=/usr/sbin zshdir=/usr/share/zsh/vendor-completions
ln -sf ../bin/mount-idmapped "$root/usr/sbin/mount.idmapped"
gzip -9n "$root/usr/share/man/man8/mount-idmapped.8"
rm "$root/usr/share/man/man8/mount.idmapped.8"
ln -s mount-idmapped.8.gz "$root/usr/share/man/man8/mount.idmapped.8.gz"
depends=$(shlibs mount-idmapped usr/bin/mount-idmapped)
package mount-idmapped GPL-2 <<END
Section: admin
Depends: $depends, mount
Suggests: uidmap
Description: mount a tree with other owners than on disk
 An idmapped mount of Linux changes file ownership as seen through that mount;
 nothing changes on disk. This tool makes, lists and removes such mounts, from
 the command line, fstab and systemd units, and explains which check of the
 kernel refuses an operation through them.
END

# The library is of the one package, all that compilers need is of the other.
root=$top/dev
mkdir -m 755 "$root" "$top/lib"
"$make" -s -f "$library/Makefile" install-lib library="$target/release/libidmap_c.so" \
	DESTDIR="$root" PREFIX=/usr libdir="$libdir"
mkdir -p "$root/usr/share/doc/libidmap-dev/examples"
cp "$library/examples/mount.c" "$library/examples/mount.py" \
	"$root/usr/share/doc/libidmap-dev/examples"
mkdir -p "$top/lib$libdir"
mv "$root$libdir/libidmap.so.0" "$top/lib$libdir"
package libidmap-dev 'GPL-2 or Expat' <<END
Section: libdevel
Depends: libidmap0 (= $version), libc6-dev | libc-dev
Description: idmapped mounts of Linux from C: header and examples
 The header idmap.h, the file for pkg-config and examples in C and Python of
 libidmap, which makes idmapped mounts.
END
root=$top/lib
depends=$(shlibs libidmap0 "${libdir#/}/libidmap.so.0")
mkdir -p "$root/DEBIAN"
echo 'activate-noawait ldconfig' > "$root/DEBIAN/triggers"
package libidmap0 'GPL-2 or Expat' <<END
Section: libs
Depends: $depends
Suggests: uidmap
Description: idmapped mounts of Linux from C
 An idmapped mount of Linux changes file ownership as seen through that mount.
 This library reads and composes maps, makes user namespaces for them, and makes
 such mounts.
END
