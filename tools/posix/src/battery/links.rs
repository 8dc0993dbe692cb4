// SPDX-License-Identifier: GPL-2.0

//! `link()` and `unlink()`.

use rustix::{
    fs::{AtFlags, CWD, FileType},
    io::Errno,
};

use super::{OTHER, OWNER};
use crate::{
    call::{self, as_user, link, unlink},
    place::in_mount,
    test::{Case, Named, Test},
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
    t.done("write", call::write_file(&first, b"text"))?;
    t.done("link", link(&first, &second))?;
    t.same("links", call::links(&first), Ok(2));
    t.same("same inode", call::ino(&first), call::ino(&second));
    t.done("write", call::write_file(&second, b"other"))?;
    t.same(
        "same contents",
        call::read_file(&first),
        Ok(b"other".to_vec()),
    );
    t.done("chmod", call::chmod(&second, 0o600))?;
    t.same("same mode", call::mode(&first), Ok(0o600));
    t.done("unlink", unlink(&first))?;
    t.same("links", call::links(&second), Ok(1));
    t.same("contents", call::read_file(&second), Ok(b"other".to_vec()));
    t.done("mkdir", call::mkdir(t.at("dir"), 0o755))?;
    t.done("into another folder", link(&second, t.at("dir/third")))?;
    t.same("links", call::links(t.at("dir/third")), Ok(2));
    t.same("folder's links", call::links(t.at("dir")), Ok(2));
    Ok(())
}

fn many(t: &Test) -> Case {
    let file = t.at("file");
    t.done("creat", call::create(&file, 0o644))?;
    for number in 1..1000 {
        t.done("link", link(&file, t.at(&format!("l{number}"))))?;
    }
    t.same("links", call::links(&file), Ok(1000));
    t.same(
        "names",
        call::names(t.dir()).map(|names| names.len()),
        Ok(1000),
    );
    for number in 1..1000 {
        t.done("unlink", unlink(t.at(&format!("l{number}"))))?;
    }
    t.same("links", call::links(&file), Ok(1));
    Ok(())
}

fn symlinks(t: &Test) -> Case {
    t.done("creat", call::create(t.at("file"), 0o644))?;
    t.done("symlink", call::symlink("file", t.at("link")))?;
    t.done("link of a symlink", link(t.at("link"), t.at("same")))?;
    t.same(
        "same inode",
        call::ino(t.at("same")),
        call::ino(t.at("link")),
    );
    t.same("links", call::links(t.at("link")), Ok(2));
    let follow = AtFlags::SYMLINK_FOLLOW;
    let followed = rustix::fs::linkat(CWD, t.at("link"), CWD, t.at("end"), follow);
    t.done("AT_SYMLINK_FOLLOW", followed)?;
    t.same(
        "that of the file",
        call::ino(t.at("end")),
        call::ino(t.at("file")),
    );
    t.done(
        "mkfifo",
        call::mknod(t.at("pipe"), FileType::Fifo, 0o644, 0),
    )?;
    t.done("link of a pipe", link(t.at("pipe"), t.at("pipe2")))?;
    t.same("links", call::links(t.at("pipe")), Ok(2));
    Ok(())
}

fn link_refused(t: &Test) -> Case {
    t.done("creat", call::create(t.at("file"), 0o644))?;
    t.done("creat", call::create(t.at("other"), 0o644))?;
    t.done("mkdir", call::mkdir(t.at("dir"), 0o755))?;
    let to = |new: &str| link(t.at("file"), t.at(new));
    let answers = [
        ("over a file", to("other"), Errno::EXIST),
        ("over itself", to("file"), Errno::EXIST),
        ("over a folder", to("dir"), Errno::EXIST),
        ("into no folder", to("no/f"), Errno::NOENT),
        ("into a file", to("other/f"), Errno::NOTDIR),
        ("with a slash", to("new/"), Errno::NOENT),
        ("long name", to(&"n".repeat(256)), Errno::NAMETOOLONG),
        ("of nothing", link(t.at("no"), t.at("new")), Errno::NOENT),
        ("of a folder", link(t.at("dir"), t.at("new")), Errno::PERM),
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
    t.same("links", call::links(t.at("file")), Ok(1));
    t.done("give", call::give(t.at("file"), OTHER))?;
    let answer = as_user(OTHER, || to("new"));
    t.refused("into another's folder", answer, Errno::ACCESS);
    let Ok(again) = t.place.again() else {
        t.holds("mounting it again", false);
        return Ok(());
    };
    let elsewhere = in_mount(t.place, &again, &t.at("new"));
    t.refused(
        "to another mount of it",
        link(t.at("file"), elsewhere),
        Errno::XDEV,
    );
    // An open file with no name left cannot get one.
    let fd = t.done("open", call::open_ro(t.at("other")))?;
    t.done("unlink", unlink(t.at("other")))?;
    t.refused(
        "of a removed file",
        call::link_open(&fd, t.at("new")),
        Errno::NOENT,
    );
    Ok(())
}

/// `protected_hardlinks`: users may link what they own, or may write anyway.
fn protected(t: &Test) -> Case {
    let setting = "/proc/sys/fs/protected_hardlinks";
    let on = t.done("setting", call::read_file(setting))? == b"1\n";
    t.done("folder for all", call::chmod(t.dir(), 0o777))?;
    let file = t.at("file");
    t.done("creat", call::create(&file, 0o644))?;
    t.done("give", call::give(&file, OWNER))?;
    t.done(
        "by its owner",
        as_user(OWNER, || link(&file, t.at("theirs"))),
    )?;
    let answer = as_user(OTHER, || link(&file, t.at("new")));
    let expected = if on { Err(Errno::PERM) } else { Ok(()) };
    t.answers("by another", answer, expected);
    t.done("chmod", call::chmod(&file, 0o666))?;
    let answer = as_user(OTHER, || link(&file, t.at("newer")));
    t.done("by one who may write", answer)?;
    t.done("chmod", call::chmod(&file, 0o4777))?;
    let answer = as_user(OTHER, || link(&file, t.at("newest")));
    t.answers("of a setuid program", answer, expected);
    Ok(())
}

fn open_file(t: &Test) -> Case {
    let file = t.at("file");
    t.done("write", call::write_file(&file, b"text"))?;
    let fd = t.done("open", call::open_rw(&file))?;
    t.done("unlink", unlink(&file))?;
    t.same(
        "links",
        rustix::fs::fstat(&fd).map(|stat| stat.st_nlink),
        Ok(0),
    );
    t.same("can be read", call::pread(&fd, 9, 0), Ok(b"text".to_vec()));
    t.same("and written", rustix::io::pwrite(&fd, b"new", 4), Ok(3));
    t.same(
        "and read again",
        call::pread(&fd, 9, 0),
        Ok(b"textnew".to_vec()),
    );
    t.refused("gone", call::stat(&file), Errno::NOENT);
    t.done("creat anew", call::create(&file, 0o644))?;
    let old = rustix::fs::fstat(&fd).map(|stat| stat.st_ino);
    t.holds("another inode", call::ino(&file) != old);
    Ok(())
}

fn kinds(t: &Test) -> Case {
    t.done("creat", call::create(t.at("file"), 0o644))?;
    t.done("symlink", call::symlink("file", t.at("link")))?;
    t.done(
        "mkfifo",
        call::mknod(t.at("pipe"), FileType::Fifo, 0o644, 0),
    )?;
    t.done(
        "socket",
        call::mknod(t.at("socket"), FileType::Socket, 0o644, 0),
    )?;
    for name in ["link", "pipe", "socket"] {
        t.done(name, unlink(t.at(name)))?;
    }
    t.same(
        "what a link meant stays",
        call::names(t.dir()),
        Ok(vec!["file".to_owned()]),
    );
    // Nobody needs a right to the file itself.
    t.done("folder for all", call::chmod(t.dir(), 0o777))?;
    t.done("chmod", call::chmod(t.at("file"), 0))?;
    t.done("by a user", as_user(OWNER, || unlink(t.at("file"))))?;
    Ok(())
}

fn unlink_refused(t: &Test) -> Case {
    t.done("creat", call::create(t.at("file"), 0o644))?;
    t.done("mkdir", call::mkdir(t.at("dir"), 0o755))?;
    t.done("symlink", call::symlink("dir", t.at("link")))?;
    t.refused("nothing", unlink(t.at("no")), Errno::NOENT);
    t.refused("a folder", unlink(t.at("dir")), Errno::ISDIR);
    t.refused("with a slash", unlink(t.at("file/")), Errno::NOTDIR);
    t.refused(
        "a folder's link with a slash",
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
    t.done("give", call::give(t.at("file"), OTHER))?;
    let answer = as_user(OTHER, || unlink(t.at("file")));
    t.refused("in another's folder", answer, Errno::ACCESS);
    t.done("still there", call::stat(t.at("file")))?;
    Ok(())
}
