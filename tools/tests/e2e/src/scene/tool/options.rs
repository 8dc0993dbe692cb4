// SPDX-License-Identifier: GPL-2.0

//! The options of the tool: names in maps, additions to maps, other mount namespaces, image files,
//! and the exit status of `explain`.

use std::{env, fs, path::Path, process::Command, thread::sleep, time::Duration};

use kselftest::{filesystem::EXT4, syscalls::chown};
use rustix::io::Errno;

use super::{killed, mounts, plain::with_files, tried};
use crate::{
    container::Container,
    fixture::Fixture,
    inspect,
    report::{Context, Failure},
    show::Show,
    syscalls,
    tree::{Entry, make},
};

/// The accounts. The group `ann` is not the primary group of the user `ann`, and there is no group
/// `bob`. The user `bob` is a member of `staff`.
const FILES: [(&str, &str); 2] = [
    (
        "/etc/passwd",
        "root:x:0:0::/:/bin/sh\nann:x:3001:3101::/:/bin/sh\nbob:x:3002:3102::/:/bin/sh\n",
    ),
    ("/etc/group", "root:x:0:\nann:x:3301:\nstaff:x:3200:bob\n"),
];

/// The directories of the tree, with their user and their group.
const TREE: [(&str, u32, u32); 4] = [
    (".", 3001, 3301),
    ("primary", 3001, 3101),
    ("of-bob", 3002, 3102),
    ("other", 1234, 1234),
];

/// The arguments before SOURCE and TARGET, a directory, and its owner through the mount.
const OWNERS: &str = "\
mount --map=b:ann:bob | . | 3002:3102
mount --map=b:ann:bob | primary | 3002:65534
--map-mount=u:ann:bob --map-mount=g:ann:staff | . | 3002:3200
mount -o idmap=u:ann:5:2,idmap=g:3101:staff:2 | of-bob | 6:3201
mount --owner=bob | . | 3002:3102
mount --owner=bob:staff | . | 3002:3200
--owner=5:ann | . | 5:3301
mount --owner=6 | . | 6:6
mount --owner=bob | other | 65534:65534
mount --owner=bob --map=b:1234:77:1 | other | 77:77
mount --owner=bob --rest=none | other | 65534:65534
mount --owner=bob --rest=keep | other | 1234:1234
mount --owner=bob --rest=keep | of-bob | 65534:65534
--owner=bob:staff --rest=keep | . | 3002:3200";

// Of the following tables, a line has a command line, its exit status, and some words of its output
// or, after a '=', the whole output.

const REFUSED: &str = "\
$m mount --map=u:carl:5 $s $t | 2 | there is no user with the name 'carl'
$m mount --map=g:5:bobs:1 $s $t | 2 | there is no group with the name 'bobs'
$m mount --owner=carl $s $t | 2 | there is no user 'carl'
$m mount --owner=bob:carl $s $t | 2 | there is no group 'carl'
$m mount --rest=keep $s $t | 2 | add to a map, and there is none
$m mount --owner=bob --skip-unmappable $s $t | 2 | --recursive
$m mount --owner=bob --relative-to=4194305 $s $t | 1 | reading the map of process 4194305
$m mount --owner=bob -N 4194305 $s $t | 1 | there is no such process
$m mount --owner=bob -N /proc/self/ns/user $s $t | 1 | it is no mount namespace
$m mount --owner=bob -o X-mount.mkdir=9 $s $t | 2 | the mode must be octal digits";

/// The owner of a file changes its group to one of its own groups.
const CALLERS: &str = "\
$m explain --as bob --op chgrp:3200 --exit-code $s/of-bob | 0 | it works
$m explain --as bob:ann --op chgrp:3200 --exit-code $s/of-bob | 5 | EPERM
$m explain --as bob:ann,staff --op chgrp:3200 --exit-code $s/of-bob | 0 | it works
$m explain --as 3002 --op chgrp:3200 --exit-code $s/of-bob | 5 | EPERM
$m explain --as ann --op chgrp:3200 --exit-code $s/of-bob | 5 | EPERM
$m explain --as eve --op stat $s/of-bob | 2 | 'eve' is neither an id nor the name of a user
$m explain --as bob:bob --op stat $s/of-bob | 2 | 'bob' is neither an id nor the name of a group
$m mount -o idmap= $s $t | 2 | no range; right would be KIND:FROM:TO:RANGE";

/// `$n` is a process in another mount namespace.
const NAMESPACE: &str = "\
$m mount --owner=5:6 -N $n $s mnt | 2 | must begin with /
$m mount --owner=5:6 -N $n $s $t | 0 | =
stat -c %u:%g /proc/$n/root$t | 0 | =5:6
stat -c %u:%g $t | 0 | =0:0
$m list | 0 | =TARGET  FILESYSTEM  SOURCE  MAP
$m list -N $n | 0 | u:3001:5:1 g:3301:6:1
$m list --namespace /proc/$n/ns/mnt --json $t | 0 | \"target\":\"$t\"
$m explain --as 5:6 --op create --exit-code -N $n $t | 0 | it works
$m explain --as 5:6 --op create --exit-code $t | 5 | EACCES
$m explain --as 5:6 --op create --op stat --exit-code $t | 5 | EACCES
$m explain --as 5:6 --op create $t | 0 | EACCES
$m explain --exit-code $t | 2 | --op
$m explain --json -N $n $t | 0 | \"map\":\"u:3001:5:1 g:3301:6:1\"
$m explain --json -N $n $t | 0 | \"owner\":{\"disk\":3001,\"filesystem\":3001,\"mount\":5,
$m explain --as 5:6 --op create --json --exit-code $t | 5 | \"error\":\"EACCES\",\"number\":13,
$m explain --as 5:6 --op create --json --try $t | 0 | \"tried\":{\"number\":13,\"same\":true}
$m umount $t | 1 | nothing is mounted at
$m umount -N $n $t | 0 | =
stat -c %u:%g /proc/$n/root$t | 0 | =0:0";

const BELOW: &str = "\
mount -t tmpfs -o uid=3001,gid=3301 tmpfs $s/other | 0 | =
mount -t proc proc $s/primary | 0 | =
$m mount --recursive --owner=5:6 $s $t | 1 | primary: proc does not support idmapped mounts
$m mount --recursive --skip-unmappable --owner=5:6 $s $t | 0 | the copy of $s/primary: Invalid
stat -c %u:%g $t | 0 | =5:6
stat -c %u:%g $t/other | 0 | =5:6
ls $t/primary | 0 | =
$m umount --lazy $t | 0 | =
umount $s/primary | 0 | =
umount $s/other | 0 | =";

const REPLACED: &str = "\
$m mount --owner=5:6 $s $t | 0 | =
$m mount --replace --map=b:3001:8:1 --map=b:3301:9:1 $t $t | 0 | =
stat -c %u:%g $t | 0 | =8:9
$m mount --replace $t $t | 0 | =
stat -c %u:%g $t | 0 | =3001:3301
umount $t | 0 | =";

const DIRECTORY: &str = "\
$m mount --owner=5:6 $s $t/a/b | 1 | there is no such target
$m mount --owner=5:6 -o X-mount.mkdir /proc $t/a/b | 1 | proc does not support idmapped mounts
ls $t | 0 | =
$m mount --owner=5:6 -o X-mount.mkdir $s $t/a/b | 0 | =
stat -c %u:%g $t/a/b | 0 | =5:6
$m umount $t/a/b | 0 | =
stat -c %a $t/a $t/a/b | 0 | =755 755
rmdir $t/a/b $t/a | 0 | =
$m mount --owner=5:6 -o X-mount.mkdir=700 $s $t/a | 0 | =
$m umount $t/a | 0 | =
stat -c %a $t/a | 0 | =700";

/// `$i` is an image file of ext4, and `$d` a loop device that has it.
const IMAGE: &str = "\
$m mount --owner=5:6 $i $t | 1 | the source is a file and the target is a directory
$m mount --owner=5:6 -o loop $i $t | 0 | =
stat -c %u:%g $t | 0 | =5:6
$m list $t | 0 | u:3001:5:1 g:3301:6:1
touch $t/new | 1 | Value too large
$m umount $t | 0 | =
$m mount --owner=5:6 -o loop,ro $i $t | 0 | =
touch $t/new | 1 | Read-only file system
$m umount $t | 0 | =";

const DEVICE: &str = "\
$m mount --owner=5:6 $d $t | 0 | =
stat -c %u:%g $t | 0 | =5:6
$m umount $t | 0 | =
losetup -d $d | 0 | =
losetup -j $i | 0 | =
truncate -s 0 $i | 0 | =
$m mount --owner=5:6 -o loop $i $t | 1 | mount(8) has not mounted its filesystem";

pub(crate) fn run(fixture: &mut Fixture) -> Result<(), Failure> {
    let disk = fixture.disk(|root| {
        make(root, "tree", &Entry::Directory, 0, 0o755)?;
        for (name, user, group) in TREE {
            make(&root.join("tree"), name, &Entry::Directory, 0, 0o755)?;
            let path = root.join("tree").join(name);
            chown(&path, Some(user), Some(group)).context(path.display())?;
        }
        Ok(())
    })?;
    let tree = disk.join("tree");
    let target = fixture.directory("target")?;
    let (s, t) = (tree.display().to_string(), target.display().to_string());
    let mut words = vec![("$m", "mount-idmapped".to_owned()), ("$s", s), ("$t", t)];
    let before = mounts()?;
    with_files(fixture, &FILES, |fixture| {
        owners(fixture, &tree, &target)?;
        play(fixture, REFUSED, &words)?;
        play(fixture, CALLERS, &words)
    })?;
    relative(fixture, &tree, &target)?;

    fixture.say("Another mount namespace:");
    let mut other = Command::new("unshare")
        .args(["--mount", "sleep", "600"])
        .spawn()
        .context("running unshare")?;
    words.push(("$n", other.id().to_string()));
    let namespace = format!("/proc/{}/ns/mnt", other.id());
    let ours = fs::read_link("/proc/self/ns/mnt").context("reading a link")?;
    // unshare takes a moment until it has the namespace.
    while fs::read_link(&namespace).is_ok_and(|theirs| theirs == ours) {
        sleep(Duration::from_millis(10));
    }
    let played = play(fixture, NAMESPACE, &words);
    other
        .kill()
        .and_then(|()| other.wait())
        .context("ending a process")?;
    played?;

    fixture.say("Mounts below, --replace and X-mount.mkdir:");
    for table in [BELOW, REPLACED, DIRECTORY] {
        play(fixture, table, &words)?;
    }
    fs::remove_dir(target.join("a")).context("removing a directory")?;
    image(fixture, &target, words)?;
    fixture.check("the number of mounts", Ok(mounts()?), Ok(before));
    Ok(())
}

/// Runs the command lines of a table, each of which is a check.
fn play(fixture: &mut Fixture, table: &str, words: &[(&str, String)]) -> Result<(), Failure> {
    for row in table.lines() {
        let text = words
            .iter()
            .fold(row.to_owned(), |text, (from, to)| text.replace(from, to));
        let fields: Vec<&str> = text.split(" | ").collect();
        let [line, status, expected] = fields[..] else {
            return Err(Failure::Failed(format!("'{row}' has no three fields")));
        };
        let ran = fixture.run(0, line)?;
        let good = match expected.strip_prefix('=') {
            Some(all) => ran.output.replace('\n', " ") == all,
            None => format!("{}\n{}", ran.output, ran.errors).contains(expected),
        };
        let what = row.split(" | ").next().unwrap_or_default();
        let good = good && ran.status.to_string() == status;
        let expected = format!("{status} | {expected}");
        let seen = match good {
            true => expected.clone(),
            false => format!("{} | {}{}", ran.status, ran.output, ran.errors),
        };
        fixture.report.check(what, good, seen, expected);
    }
    Ok(())
}

/// Names of users and groups, `--owner` and `--rest`.
fn owners(fixture: &mut Fixture, tree: &Path, target: &Path) -> Result<(), Failure> {
    fixture.say("Names, and additions to maps:");
    let paths = format!("{} {}", tree.display(), target.display());
    for row in OWNERS.lines() {
        let fields: Vec<&str> = row.split(" | ").collect();
        let [arguments, name, owner] = fields[..] else {
            return Err(Failure::Failed(format!("'{row}' has no three fields")));
        };
        let line = format!("mount-idmapped {arguments} {paths}");
        let look = || inspect::owner(target.join(name)).map(|owner| owner.show());
        let what = format!("{arguments}: {name}");
        tried(fixture, &line, &what, look, Ok(owner.to_owned()), target)?;
    }
    // The group of the caller has the number of the user.
    let create = || syscalls::as_user(3002, || syscalls::create(target.join("new")));
    for (rest, result) in [("none", Err(Errno::OVERFLOW)), ("keep", Ok(()))] {
        let line = format!("mount-idmapped mount --owner=bob --rest={rest} {paths}");
        let what = format!("with --rest={rest}, bob creates a file");
        tried(fixture, &line, &what, create, result, target)?;
    }
    let stored = inspect::owner(tree.join("new")).map(|owner| owner.show());
    fixture.check("its owner on disk", stored, Ok("3001:3002".to_owned()));
    Ok(())
}

/// `--relative-to`: the ids that a container sees.
fn relative(fixture: &mut Fixture, tree: &Path, target: &Path) -> Result<(), Failure> {
    let container = Container::start(100_000, 1000)?;
    fixture.say("A container with the ids from 100000 to 100999:");
    let relative = format!("--relative-to {}", container.pid());
    let paths = format!("{} {}", tree.display(), target.display());
    for (map, there, here) in [
        ("--map=u:3001:7:1 --map=g:3301:8:1", "7:8", "100007:100008"),
        ("--owner=5:6", "5:6", "100005:100006"),
    ] {
        fixture.prepare(&format!("mount-idmapped mount {map} {relative} {paths}"))?;
        let seen = container.ask("owner", target)?;
        let what = format!("{map}: the owner that the container sees");
        fixture.check(&what, Ok(seen), Ok(there.to_owned()));
        let seen = inspect::owner(target).map(|owner| owner.show());
        let what = format!("{map}: the owner on the host");
        fixture.check(&what, seen, Ok(here.to_owned()));
        fixture.prepare(&format!("mount-idmapped umount {}", target.display()))?;
    }
    let line = format!("mount-idmapped mount --owner=1000 {relative} {paths}");
    fixture.refused("an id that the container does not have", 0, &line, "no id")
}

/// `-o loop`, and a device.
fn image(
    fixture: &mut Fixture,
    target: &Path,
    mut words: Vec<(&str, String)>,
) -> Result<(), Failure> {
    fixture.say("An image file of ext4:");
    let (mkfs, size) = EXT4.mkfs.unwrap_or_default();
    let path = fixture.path("ext4.img");
    let file = fs::File::create(&path).and_then(|file| file.set_len(size));
    file.context(path.display())?;
    let image = path.display().to_string();
    fixture.prepare(&format!("{mkfs} -E root_owner=3001:3301 {image}"))?;
    words.push(("$i", image.clone()));
    play(fixture, IMAGE, &words)?;
    let devices = fixture.run(0, &format!("losetup -j {image}"))?.output;
    fixture.check("loop devices after umount", Ok(devices), Ok(String::new()));
    killed::run(fixture, &path, target)?;
    let device = fixture.run(0, &format!("losetup --find --show {image}"))?;
    words.push(("$d", device.output));
    play(fixture, DEVICE, &words)?;
    let names = inspect::names(env::temp_dir()).context("reading a directory")?;
    let left = names.into_iter();
    let left = left.filter(|name| name.starts_with("mount-idmapped."));
    let left: Vec<String> = left.collect();
    fixture.check("directories that the tool left", Ok(left), Ok(Vec::new()));
    Ok(())
}
