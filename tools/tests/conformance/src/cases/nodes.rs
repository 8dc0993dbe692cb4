// SPDX-License-Identifier: GPL-2.0

//! `mkdir()`, `rmdir()`, `mknod()`, `symlink()` and `readlink()`.

use kselftest::credentials::as_user;
use kselftest::syscalls;
use kselftest::syscalls::mkdir;
use kselftest::syscalls::mknod;
use kselftest::syscalls::rmdir;
use kselftest::syscalls::symlink;
use rustix::{
    fs::{FileType, makedev},
    io::Errno,
};

use super::{OTHER, OWNER};
use crate::test::{Case, Named, Test};

pub(super) const TESTS: &[Named] = &[
    ("mkdir.makes", makes_directory),
    ("mkdir.refused", mkdir_refused),
    ("rmdir.removes", removes_directory),
    ("rmdir.refused", rmdir_refused),
    ("mknod.kinds", node_kinds),
    ("mknod.devices", devices),
    ("mknod.refused", mknod_refused),
    ("symlink.lengths", symlink_lengths),
    ("symlink.refused", symlink_refused),
    ("readlink.buffers", readlink_buffers),
];

fn makes_directory(t: &Test) -> Case {
    let dir = t.at("dir");
    t.same("parent's links", syscalls::links(t.dir()), Ok(2));
    t.done("mkdir", mkdir(&dir, 0o777))?;
    let stat = t.done("stat", syscalls::stat(&dir))?;
    t.same("mode under umask 022", stat.st_mode, 0o040_755);
    t.same("links", stat.st_nlink, 2);
    t.same("parent's links", syscalls::links(t.dir()), Ok(3));
    t.same(
        "parent by ..",
        syscalls::ino(dir.join("..")),
        syscalls::ino(t.dir()),
    );
    t.same("itself by .", syscalls::ino(dir.join(".")), Ok(stat.st_ino));
    t.same("empty", syscalls::names(&dir), Ok(Vec::new()));
    // A setuid bit of a new directory is dropped, a sticky bit is not.
    t.done("mkdir 7777", mkdir(t.at("bits"), 0o7777))?;
    t.same("its mode", syscalls::mode(t.at("bits")), Ok(0o1755));
    t.done("with a slash", mkdir(t.at("slash/"), 0o755))?;
    let mut deep = t.at("deep");
    for _ in 0..64 {
        t.done("mkdir", mkdir(&deep, 0o755))?;
        deep.push("d");
    }
    t.done("creat deep down", syscalls::create(&deep, 0o644))?;
    Ok(())
}

fn mkdir_refused(t: &Test) -> Case {
    t.done("mkdir", mkdir(t.at("dir"), 0o755))?;
    t.done("creat", syscalls::create(t.at("file"), 0o644))?;
    t.done("symlink", symlink("nowhere", t.at("link")))?;
    for name in ["dir", "file", "link", "dir/.", "."] {
        let answer = mkdir(t.at(name), 0o755);
        t.refused(&format!("over {name}"), answer, Errno::EXIST);
    }
    t.refused("in no directory", mkdir(t.at("no/d"), 0o755), Errno::NOENT);
    t.refused("in a file", mkdir(t.at("file/d"), 0o755), Errno::NOTDIR);
    let long = t.at(&"n".repeat(256));
    t.refused("long name", mkdir(long, 0o755), Errno::NAMETOOLONG);
    let answer = as_user(OTHER, || mkdir(t.at("new"), 0o755));
    t.refused("in another's directory", answer, Errno::ACCESS);
    let fd = t.done("open", syscalls::open_ro(t.at("dir")))?;
    t.done("rmdir", rmdir(t.at("dir")))?;
    let answer = rustix::fs::mkdirat(&fd, "d", 0o755.into());
    t.refused("in a removed directory", answer, Errno::NOENT);
    let flags = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::RDWR;
    let answer = rustix::fs::openat(&fd, "f", flags, 0o644.into());
    t.refused("creat in it", answer, Errno::NOENT);
    t.same(
        "its links",
        rustix::fs::fstat(&fd).map(|stat| stat.st_nlink),
        Ok(0),
    );
    t.same("parent's links", syscalls::links(t.dir()), Ok(2));
    Ok(())
}

fn removes_directory(t: &Test) -> Case {
    let dir = t.at("dir");
    t.done("mkdir", mkdir(&dir, 0o755))?;
    t.done("rmdir", rmdir(&dir))?;
    t.refused("gone", syscalls::stat(&dir), Errno::NOENT);
    t.same("parent's links", syscalls::links(t.dir()), Ok(2));
    t.done("mkdir again", mkdir(&dir, 0o755))?;
    t.done("creat", syscalls::create(dir.join("f"), 0o644))?;
    t.refused("not empty", rmdir(&dir), Errno::NOTEMPTY);
    t.done("still there", syscalls::stat(dir.join("f")))?;
    t.done("unlink", syscalls::unlink(dir.join("f")))?;
    t.done("rmdir with a slash", rmdir(t.at("dir/")))?;
    t.same("nothing left", syscalls::names(t.dir()), Ok(Vec::new()));
    Ok(())
}

fn rmdir_refused(t: &Test) -> Case {
    t.done("mkdir", mkdir(t.at("dir"), 0o755))?;
    t.done("mkdir", mkdir(t.at("dir/sub"), 0o755))?;
    t.done("creat", syscalls::create(t.at("file"), 0o644))?;
    t.done("symlink", symlink("dir/sub", t.at("link")))?;
    t.refused("no such directory", rmdir(t.at("no")), Errno::NOENT);
    t.refused("a file", rmdir(t.at("file")), Errno::NOTDIR);
    t.refused("a symlink", rmdir(t.at("link")), Errno::NOTDIR);
    t.refused("below a file", rmdir(t.at("file/d")), Errno::NOTDIR);
    t.refused("a directory in it", rmdir(t.at("dir")), Errno::NOTEMPTY);
    t.refused("by .", rmdir(t.at("dir/.")), Errno::INVAL);
    t.refused("by ..", rmdir(t.at("dir/sub/..")), Errno::NOTEMPTY);
    let answer = as_user(OTHER, || rmdir(t.at("dir/sub")));
    t.refused("in another's directory", answer, Errno::ACCESS);
    t.refused("as unlink", syscalls::unlink(t.at("dir/sub")), Errno::ISDIR);
    Ok(())
}

fn node_kinds(t: &Test) -> Case {
    for (name, kind) in [
        ("file", FileType::RegularFile),
        ("pipe", FileType::Fifo),
        ("socket", FileType::Socket),
    ] {
        let path = t.at(name);
        t.done(name, mknod(&path, kind, 0o666, 0))?;
        let stat = t.done("stat", syscalls::stat(&path))?;
        t.same(name, FileType::from_raw_mode(stat.st_mode), kind);
        t.same("mode", stat.st_mode & 0o7777, 0o644);
        t.same("links", stat.st_nlink, 1);
        t.same("device", stat.st_rdev, 0);
    }
    t.done("directory for all", syscalls::chmod(t.dir(), 0o777))?;
    let made = as_user(OWNER, || mknod(t.at("theirs"), FileType::Fifo, 0o600, 0));
    t.done("mkfifo by a user", made)?;
    t.same("owner", syscalls::owner(t.at("theirs")), Ok((OWNER, OWNER)));
    Ok(())
}

fn devices(t: &Test) -> Case {
    let numbers = [makedev(1, 3), makedev(4095, 1_048_575), makedev(0, 1)];
    for kind in [FileType::CharacterDevice, FileType::BlockDevice] {
        for (index, number) in numbers.into_iter().enumerate() {
            let path = t.at(&format!("{kind:?}{index}"));
            let made = mknod(&path, kind, 0o600, number);
            if t.mount.manner.in_userns() {
                t.refused("device in a user namespace", made, Errno::PERM);
            } else {
                t.done("mknod", made)?;
                let stat = t.done("stat", syscalls::stat(&path))?;
                t.same("number", stat.st_rdev, number);
                t.same("kind", FileType::from_raw_mode(stat.st_mode), kind);
            }
        }
    }
    // A whiteout of overlayfs is a device that cannot be opened.
    t.done("directory for all", syscalls::chmod(t.dir(), 0o777))?;
    let whiteout = t.at("whiteout");
    let made = as_user(OWNER, || {
        mknod(&whiteout, FileType::CharacterDevice, 0o600, 0)
    });
    t.done("whiteout by a user", made)?;
    t.same(
        "number",
        syscalls::stat(&whiteout).map(|stat| stat.st_rdev),
        Ok(0),
    );
    // A filesystem that is mounted in a user namespace opens no devices.
    let errno = match t.mount.manner.in_userns() {
        true => Errno::ACCESS,
        false => Errno::NXIO,
    };
    t.refused("open of it", syscalls::open_rw(&whiteout), errno);
    Ok(())
}

fn mknod_refused(t: &Test) -> Case {
    t.done("creat", syscalls::create(t.at("file"), 0o644))?;
    let fifo = |name: &str| mknod(t.at(name), FileType::Fifo, 0o644, 0);
    let answers = [
        ("over a file", fifo("file"), Errno::EXIST),
        ("in no directory", fifo("no/f"), Errno::NOENT),
        ("in a file", fifo("file/f"), Errno::NOTDIR),
        ("long name", fifo(&"n".repeat(256)), Errno::NAMETOOLONG),
    ];
    for (what, answer, errno) in answers {
        t.refused(what, answer, errno);
    }
    let answer = mknod(t.at("dir"), FileType::Directory, 0o755, 0);
    t.refused("a directory", answer, Errno::PERM);
    let answer = mknod(t.at("link"), FileType::Symlink, 0o755, 0);
    t.refused("a symlink", answer, Errno::INVAL);
    let answer = as_user(OTHER, || fifo("new"));
    t.refused("in another's directory", answer, Errno::ACCESS);
    t.done("directory for all", syscalls::chmod(t.dir(), 0o777))?;
    let number = makedev(1, 3);
    let answer = as_user(OTHER, || {
        mknod(t.at("null"), FileType::CharacterDevice, 0o666, number)
    });
    t.refused("a device by a user", answer, Errno::PERM);
    Ok(())
}

fn symlink_lengths(t: &Test) -> Case {
    // Up to 4095 bytes; a filesystem may store short ones another way.
    for length in [1, 2, 30, 39, 40, 63, 64, 127, 128, 129, 1000, 4095] {
        let target = "t".repeat(length);
        let link = t.at(&format!("l{length}"));
        t.done("symlink", symlink(&target, &link))?;
        let read = syscalls::readlink(&link, 4096);
        t.same("target", read, Ok(target.into_bytes()));
        let stat = t.done("stat", syscalls::stat(&link))?;
        t.same("size", stat.st_size, length as i64);
        t.same("mode", stat.st_mode, 0o120_777);
        t.same("links", stat.st_nlink, 1);
    }
    t.refused(
        "4096 bytes",
        symlink("t".repeat(4096), t.at("long")),
        Errno::NAMETOOLONG,
    );
    t.done("mkdir", mkdir(t.at("dir"), 0o755))?;
    t.done("creat", syscalls::create(t.at("dir/file"), 0o644))?;
    t.done("symlink", symlink("dir", t.at("to")))?;
    t.done("symlink", symlink("../to/./file", t.at("dir/up")))?;
    t.same(
        "through two",
        syscalls::open_ro(t.at("to/up")).map(drop),
        Ok(()),
    );
    t.done("absolute", symlink(t.at("dir"), t.at("absolute")))?;
    t.done("through it", syscalls::open_ro(t.at("absolute/file")))?;
    Ok(())
}

fn symlink_refused(t: &Test) -> Case {
    t.done("creat", syscalls::create(t.at("file"), 0o644))?;
    t.done("symlink", symlink("nowhere", t.at("link")))?;
    t.refused("empty target", symlink("", t.at("new")), Errno::NOENT);
    t.refused("over a file", symlink("x", t.at("file")), Errno::EXIST);
    t.refused("over a symlink", symlink("x", t.at("link")), Errno::EXIST);
    t.refused("in no directory", symlink("x", t.at("no/l")), Errno::NOENT);
    t.refused("in a file", symlink("x", t.at("file/l")), Errno::NOTDIR);
    let long = t.at(&"n".repeat(256));
    t.refused("long name", symlink("x", long), Errno::NAMETOOLONG);
    let answer = as_user(OTHER, || symlink("x", t.at("new")));
    t.refused("in another's directory", answer, Errno::ACCESS);
    t.refused(
        "chmod of a symlink",
        syscalls::lchmod(t.at("link"), 0o600),
        Errno::OPNOTSUPP,
    );
    Ok(())
}

fn readlink_buffers(t: &Test) -> Case {
    let link = t.at("link");
    t.done("symlink", symlink("target", &link))?;
    t.same("cut", syscalls::readlink(&link, 3), Ok(b"tar".to_vec()));
    t.refused("no room", syscalls::readlink(&link, 0), Errno::INVAL);
    t.done("creat", syscalls::create(t.at("file"), 0o644))?;
    t.refused("a file", syscalls::readlink(t.at("file"), 9), Errno::INVAL);
    t.refused("a directory", syscalls::readlink(t.dir(), 9), Errno::INVAL);
    t.refused("nothing", syscalls::readlink(t.at("no"), 9), Errno::NOENT);
    t.refused(
        "in a file",
        syscalls::readlink(t.at("file/l"), 9),
        Errno::NOTDIR,
    );
    t.done("close the directory", syscalls::chmod(t.dir(), 0o700))?;
    let answer = as_user(OWNER, || syscalls::readlink(&link, 9));
    t.refused("no search", answer, Errno::ACCESS);
    Ok(())
}
