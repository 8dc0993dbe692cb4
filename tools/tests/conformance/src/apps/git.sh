# SPDX-License-Identifier: GPL-2.0
# A repository on disk is cloned here, checked, changed and pushed to another one here.
# Nothing may go on in the background when this has ended.
printf '[maintenance]\n\tauto = false\n' >"$1/config"
export GIT_CONFIG_GLOBAL=$1/config GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b \
	GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
repository=$1/repository
git init -q -b main "$repository"
for folder in $(seq 10); do
	mkdir "$repository/folder$folder"
	for file in $(seq 20); do
		seq "$folder" "$((folder * file))" >"$repository/folder$folder/file$file"
	done
done
ln -s folder1 "$repository/link"
cp /bin/true "$repository/program"
git -C "$repository" add .
git -C "$repository" commit -qm first
seq 100000 >"$repository/folder1/file1"
git -C "$repository" commit -qam second

git clone -q --no-hardlinks "$repository" clone
git -C clone fsck --strict --no-progress
test -z "$(git -C clone status --porcelain)"
diff -r --exclude=.git "$repository" clone
git clone -q --bare clone bare.git
git -C clone remote set-url origin "$PWD/bare.git"
git -C clone mv folder2 moved
git -C clone rm -q -r folder3
git -C clone commit -qam third
git -C clone push -q
git -C bare.git gc -q
git -C bare.git fsck --strict --no-progress
test "$(git -C bare.git rev-list --count main)" = 3
git -C clone checkout -q HEAD~2
test "$(wc -l <clone/folder1/file1)" = 1
