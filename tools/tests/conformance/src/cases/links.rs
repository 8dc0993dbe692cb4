// SPDX-License-Identifier: GPL-2.0

//! `link()` and `unlink()`.

use kselftest::credentials::as_user;
use kselftest::syscalls;
use kselftest::syscalls::link;
use kselftest::syscalls::unlink;
use rustix::{
    fs::{AtFlags, CWD, FileType},
    io::Errno,
};

use super::{OTHER, OWNER};
use crate::{
    test::{Case, Named, Test},
    test_mount::in_mount,
};

pub(super) const TESTS: &[Named] = &[
    ("link.names", names),
    ("link.many", many),
    ("link.symlinks", symlinks),
    ("link.refused", link_refused),
    ("link.protected", protected),
    ("unlink.open_file", open_file),
    ("unlink.kinds", kinds),
    ("unlink.refused", unlink_refused),
];

fn names(t: &Test) -> Case {
    let (first, second) = (t.at("first"), t.at("second"));
    t.done("write", syscalls::write_file(&first, b"text"))?;
    t.done("link", link(&first, &second))?;
    t.same("links", syscalls::links(&first), Ok(2));
    t.same("same inode", syscalls::ino(&first), syscalls::ino(&second));
    t.done("write", syscalls::write_file(&second, b"other"))?;
    t.same(
        "same contents",
        syscalls::read_file(&first),
        Ok(b"other".to_vec()),
    );
    t.done("chmod", syscalls::chmod(&second, 0o600))?;
    t.same("same mode", syscalls::mode(&first), Ok(0o600));
    t.done("unlink", unlink(&first))?;
    t.same("links", syscalls::links(&second), Ok(1));
    t.same(
        "contents",
        syscalls::read_file(&second),
        Ok(b"other".to_vec()),
    );
    t.done("mkdir", syscalls::mkdir(t.at("dir"), 0o755))?;
    t.done("into another directory", link(&second, t.at("dir/third")))?;
    t.same("links", syscalls::links(t.at("dir/third")), Ok(2));
    t.same("directory's links", syscalls::links(t.at("dir")), Ok(2));
    Ok(())
}

fn many(t: &Test) -> Case {
    let file = t.at("file");
    t.done("creat", syscalls::create(&file, 0o644))?;
    for number in 1..1000 {
        t.done("link", link(&file, t.at(&format!("l{number}"))))?;
    }
    t.same("links", syscalls::links(&file), Ok(1000));
    t.same(
        "names",
        syscalls::names(t.dir()).map(|names| names.len()),
        Ok(1000),
    );
    for number in 1..1000 {
        t.done("unlink", unlink(t.at(&format!("l{number}"))))?;
    }
    t.same("links", syscalls::links(&file), Ok(1));
    Ok(())
}

fn symlinks(t: &Test) -> Case {
    t.done("creat", syscalls::create(t.at("file"), 0o644))?;
    t.done("symlink", syscalls::symlink("file", t.at("link")))?;
    t.done("link of a symlink", link(t.at("link"), t.at("same")))?;
    t.same(
        "same inode",
        syscalls::ino(t.at("same")),
        syscalls::ino(t.at("link")),
    );
    t.same("links", syscalls::links(t.at("link")), Ok(2));
    let follow = AtFlags::SYMLINK_FOLLOW;
    let followed = rustix::fs::linkat(CWD, t.at("link"), CWD, t.at("end"), follow);
    t.done("AT_SYMLINK_FOLLOW", followed)?;
    t.same(
        "that of the file",
        syscalls::ino(t.at("end")),
        syscalls::ino(t.at("file")),
    );
    t.done(
        "mkfifo",
        syscalls::mknod(t.at("pipe"), FileType::Fifo, 0o644, 0),
    )?;
    t.done("link of a pipe", link(t.at("pipe"), t.at("pipe2")))?;
    t.same("links", syscalls::links(t.at("pipe")), Ok(2));
    Ok(())
}

fn link_refused(t: &Test) -> Case {
    t.done("creat", syscalls::create(t.at("file"), 0o644))?;
    t.done("creat", syscalls::create(t.at("other"), 0o644))?;
    t.done("mkdir", syscalls::mkdir(t.at("dir"), 0o755))?;
    let to = |new: &str| link(t.at("file"), t.at(new));
    let answers = [
        ("over a file", to("other"), Errno::EXIST),
        ("over itself", to("file"), Errno::EXIST),
        ("over a directory", to("dir"), Errno::EXIST),
        ("into no directory", to("no/f"), Errno::NOENT),
        ("into a file", to("other/f"), Errno::NOTDIR),
        ("with a slash", to("new/"), Errno::NOENT),
        ("long name", to(&"n".repeat(256)), Errno::NAMETOOLONG),
        ("of nothing", link(t.at("no"), t.at("new")), Errno::NOENT),
        (
            "of a directory",
            link(t.at("dir"), t.at("new")),
            Errno::PERM,
        ),
        (
            "below a file",
            link(t.at("file/f"), t.at("new")),
            Errno::NOTDIR,
        ),
        (
            "to another filesystem",
            link(t.at("file"), "/run/new"),
            Errno::XDEV,
        ),
    ];
    for (what, answer, errno) in answers {
        t.refused(what, answer, errno);
    }
    t.same("links", syscalls::links(t.at("file")), Ok(1));
    t.done("give", syscalls::give(t.at("file"), OTHER))?;
    let answer = as_user(OTHER, || to("new"));
    t.refused("into another's directory", answer, Errno::ACCESS);
    let Ok(again) = t.mount.again() else {
        t.holds("mounting it again", false);
        return Ok(());
    };
    let elsewhere = in_mount(t.mount, &again, &t.at("new"));
    t.refused(
        "to another mount of it",
        link(t.at("file"), elsewhere),
        Errno::XDEV,
    );
    // An open file with no name left cannot get one.
    let fd = t.done("open", syscalls::open_ro(t.at("other")))?;
    t.done("unlink", unlink(t.at("other")))?;
    t.refused(
        "of a removed file",
        syscalls::link_open(&fd, t.at("new")),
        Errno::NOENT,
    );
    Ok(())
}

/// `protected_hardlinks`: users may link files that they own or may write to.
fn protected(t: &Test) -> Case {
    let setting = "/proc/sys/fs/protected_hardlinks";
    let on = t.done("setting", syscalls::read_file(setting))? == b"1\n";
    t.done("directory for all", syscalls::chmod(t.dir(), 0o777))?;
    let file = t.at("file");
    t.done("creat", syscalls::create(&file, 0o644))?;
    t.done("give", syscalls::give(&file, OWNER))?;
    t.done(
        "by its owner",
        as_user(OWNER, || link(&file, t.at("theirs"))),
    )?;
    let answer = as_user(OTHER, || link(&file, t.at("new")));
    let expected = if on { Err(Errno::PERM) } else { Ok(()) };
    t.answers("by another", answer, expected);
    t.done("chmod", syscalls::chmod(&file, 0o666))?;
    let answer = as_user(OTHER, || link(&file, t.at("newer")));
    t.done("by one who may write", answer)?;
    t.done("chmod", syscalls::chmod(&file, 0o4777))?;
    let answer = as_user(OTHER, || link(&file, t.at("newest")));
    t.answers("of a setuid program", answer, expected);
    Ok(())
}

fn open_file(t: &Test) -> Case {
    let file = t.at("file");
    t.done("write", syscalls::write_file(&file, b"text"))?;
    let fd = t.done("open", syscalls::open_rw(&file))?;
    t.done("unlink", unlink(&file))?;
    t.same(
        "links",
        rustix::fs::fstat(&fd).map(|stat| stat.st_nlink),
        Ok(0),
    );
    t.same(
        "can be read",
        syscalls::pread(&fd, 9, 0),
        Ok(b"text".to_vec()),
    );
    t.same("and written", rustix::io::pwrite(&fd, b"new", 4), Ok(3));
    t.same(
        "and read again",
        syscalls::pread(&fd, 9, 0),
        Ok(b"textnew".to_vec()),
    );
    t.refused("gone", syscalls::stat(&file), Errno::NOENT);
    t.done("creat anew", syscalls::create(&file, 0o644))?;
    let old = rustix::fs::fstat(&fd).map(|stat| stat.st_ino);
    t.holds("another inode", syscalls::ino(&file) != old);
    Ok(())
}

fn kinds(t: &Test) -> Case {
    t.done("creat", syscalls::create(t.at("file"), 0o644))?;
    t.done("symlink", syscalls::symlink("file", t.at("link")))?;
    t.done(
        "mkfifo",
        syscalls::mknod(t.at("pipe"), FileType::Fifo, 0o644, 0),
    )?;
    t.done(
        "socket",
        syscalls::mknod(t.at("socket"), FileType::Socket, 0o644, 0),
    )?;
    for name in ["link", "pipe", "socket"] {
        t.done(name, unlink(t.at(name)))?;
    }
    t.same(
        "what a link meant stays",
        syscalls::names(t.dir()),
        Ok(vec!["file".to_owned()]),
    );
    // A link needs no permission for the file itself.
    t.done("directory for all", syscalls::chmod(t.dir(), 0o777))?;
    t.done("chmod", syscalls::chmod(t.at("file"), 0))?;
    t.done("by a user", as_user(OWNER, || unlink(t.at("file"))))?;
    Ok(())
}

fn unlink_refused(t: &Test) -> Case {
    t.done("creat", syscalls::create(t.at("file"), 0o644))?;
    t.done("mkdir", syscalls::mkdir(t.at("dir"), 0o755))?;
    t.done("symlink", syscalls::symlink("dir", t.at("link")))?;
    t.refused("nothing", unlink(t.at("no")), Errno::NOENT);
    t.refused("a directory", unlink(t.at("dir")), Errno::ISDIR);
    t.refused("with a slash", unlink(t.at("file/")), Errno::NOTDIR);
    t.refused(
        "a directory's link with a slash",
        unlink(t.at("link/")),
        Errno::NOTDIR,
    );
    t.refused("below a file", unlink(t.at("file/f")), Errno::NOTDIR);
    t.refused("by .", unlink(t.at("dir/.")), Errno::ISDIR);
    t.refused(
        "long name",
        unlink(t.at(&"n".repeat(256))),
        Errno::NAMETOOLONG,
    );
    t.done("give", syscalls::give(t.at("file"), OTHER))?;
    let answer = as_user(OTHER, || unlink(t.at("file")));
    t.refused("in another's directory", answer, Errno::ACCESS);
    t.done("still there", syscalls::stat(t.at("file")))?;
    Ok(())
}
