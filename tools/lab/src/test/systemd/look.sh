# SPDX-License-Identifier: GPL-2.0
# What is mounted after the boot.

count=0
result() {
	count=$((count + 1))
	echo "$1 $count $2"
}

# test_output NAME EXPECTED COMMAND...: whether the command prints this.
test_output() {
	name=$1 expected=$2
	shift 2
	found=$("$@" 2>&1)
	if [ "$found" = "$expected" ]; then
		result ok "$name"
	else
		printf '%s\n' "$*: $found" "expected: $expected" | sed 's/^/# /'
		result 'not ok' "$name"
	fi
}

state() {
	systemctl show --property=ActiveState,Result --value "$1" | paste -s -d ' '
}

options() {
	findmnt -n -o FS-OPTIONS,VFS-OPTIONS "$1" | grep -o -w "$2"
}

# The last line of a mount unit's own messages.
says() {
	journalctl --unit="$1" --output=cat | grep '^mount.idmapped: '
}

echo 'TAP version 13'
echo 1..13
test_output line 1000:1000 stat -c %u:%g /mnt/line/file
test_output line.options nosuid options /mnt/line nosuid
test_output blank 1001:1002 stat -c %u:%g /mnt/blank/file
test_output mkdir 3000:3000 stat -c %u:%g /mnt/made/deep/file
# The option of mount(8) by itself.
test_output mount 6000:6000 stat -c %u:%g /mnt/own/file
# systemd makes the directories of its mounts, mount(8) those of X-mount.mkdir.
mount.idmapped /srv/data /mnt/helper/deep -o idmap=b:0:5000:1,X-mount.mkdir
test_output helper 5000:5000 stat -c %u:%g /mnt/helper/deep/file
umount /mnt/helper/deep
test_output unit 2000:2000 stat -c %u:%g /mnt/unit/file
test_output unit.options ro options /mnt/unit ro
test_output missing 'exit-code failed' state mnt-missing.mount
test_output missing.reason "mount.idmapped: copying the mount of /srv/none: No such file or \
directory (ENOENT): there is no such source" says mnt-missing.mount
test_output local-fs 'active' systemctl is-active local-fs.target
test_output list '/mnt/blank /mnt/line /mnt/made/deep /mnt/own /mnt/unit' \
	sh -c "mount-idmapped list | awk 'NR > 1 { print \$1 }' | sort | paste -s -d ' '"
systemctl stop mnt-unit.mount
test_output stop '' findmnt -n /mnt/unit
