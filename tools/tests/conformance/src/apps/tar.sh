# SPDX-License-Identifier: GPL-2.0
# A tree with all that tar keeps goes from the disk into here, and from here back.
tree=$1/tree
mkdir -p "$tree/folder/sub"
echo text >"$tree/file"
seq 50000 >"$tree/folder/large"
ln "$tree/file" "$tree/folder/hard"
ln -s ../file "$tree/folder/soft"
mkfifo "$tree/pipe"
truncate -s 10M "$tree/sparse"
echo end >>"$tree/sparse"
chown 1000:2000 "$tree/file"
chown -h 3000:3000 "$tree/folder/soft"
chown 1000:1000 "$tree/folder"
chmod 6755 "$tree/folder/large"
chmod 1777 "$tree/folder/sub"
setfattr -n user.name -v value "$tree/folder"
setfattr -n security.name -v other "$tree/file"
setfacl -m u:1234:rwx,g:4321:r "$tree/file"
setfacl -d -m u:1234:rwx "$tree/folder"
touch -d '2001-02-03 04:05:06.789' "$tree/file" "$tree/folder/sub"

keep='--xattrs --xattrs-include=* --acls --sparse --numeric-owner'
# Everything of a tree but its inodes' numbers.
listing() {
	(
		cd "$1"
		# The sizes of folders and their links differ between filesystems.
		find . ! -type d -printf '%p %y %m %U:%G %n %s %T@ %l\n' | sort
		find . -type d -printf '%p %y %m %U:%G %T@\n' | sort
		find . -print0 | sort -z | xargs -0 getfattr -h -d -m -
		find . ! -type l -print0 | sort -z | xargs -0 getfacl -n -p
		find . -type f -print0 | sort -z | xargs -0 sha256sum
	)
}
tar -C "$tree" $keep -cf "$1/first.tar" .
mkdir in
tar -C in $keep -xpf "$1/first.tar"
listing "$tree" >"$1/expected"
listing in >"$1/seen"
diff "$1/expected" "$1/seen"
test "$(stat -c %i in/file)" = "$(stat -c %i in/folder/hard)"
tar -C in $keep -cf second.tar .
mkdir "$1/out"
tar -C "$1/out" $keep -xpf second.tar
listing "$1/out" >"$1/back"
diff "$1/expected" "$1/back"
