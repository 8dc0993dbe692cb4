// SPDX-License-Identifier: GPL-2.0

//! `open()` and `creat()`, with `O_TMPFILE`.

use kselftest::credentials::as_user;
use kselftest::errno;
use kselftest::syscalls;
use kselftest::syscalls::open;
use rustix::{
    fs::{FileType, OFlags as O},
    io::Errno,
};
use std::os::fd::AsFd;

use super::{OTHER, OWNER};
use crate::test::{Case, Named, Test};

pub(super) const TESTS: &[Named] = &[
    ("open.create", create),
    ("open.kinds", kinds),
    ("open.paths", paths),
    ("open.symlinks", symlinks),
    ("open.rights", rights),
    ("open.append_and_truncate", append_and_truncate),
    ("open.special", special),
    ("open.running_program", running_program),
    ("open.path_only", path_only),
    ("open.tmpfile", tmpfile),
    ("open.tmpfile_refused", tmpfile_refused),
];

fn create(t: &Test) -> Case {
    let file = t.at("file");
    let made = t.done(
        "creat",
        open(&file, O::WRONLY | O::CREATE | O::TRUNC, 0o666),
    )?;
    drop(made);
    let stat = t.done("stat", syscalls::stat(&file))?;
    t.same("mode under umask 022", stat.st_mode, 0o100_644);
    t.same("size", stat.st_size, 0);
    t.same("links", stat.st_nlink, 1);
    t.same("owner", (stat.st_uid, stat.st_gid), (0, 0));
    let exclusive = O::WRONLY | O::CREATE | O::EXCL;
    t.refused("O_EXCL", open(&file, exclusive, 0o666), Errno::EXIST);
    t.done("O_CREAT of a file", open(&file, O::RDWR | O::CREATE, 0))?;
    t.same("mode stays", syscalls::mode(&file), Ok(0o644));

    let odd = t.at("odd");
    t.done("creat with all bits", syscalls::create(&odd, 0o7777))?;
    t.same("mode of it", syscalls::mode(&odd), Ok(0o7755));
    // The mode bounds later opens, not this one.
    let closed = t.at("closed");
    t.done("directory for all", syscalls::chmod(t.dir(), 0o777))?;
    let fd = t.done(
        "creat 0000",
        as_user(OWNER, || syscalls::create(&closed, 0)),
    )?;
    t.same("write to it", rustix::io::write(&fd, b"x"), Ok(1));
    let again = as_user(OWNER, || syscalls::open_ro(&closed));
    t.refused("open it again", again, Errno::ACCESS);
    t.same("its owner", syscalls::owner(&closed), Ok((OWNER, OWNER)));
    Ok(())
}

fn kinds(t: &Test) -> Case {
    let (file, dir) = (t.at("file"), t.at("dir"));
    t.done("creat", syscalls::create(&file, 0o644))?;
    t.done("mkdir", syscalls::mkdir(&dir, 0o755))?;
    for (what, flags) in [("O_WRONLY", O::WRONLY), ("O_RDWR", O::RDWR)] {
        let answer = open(&dir, flags, 0);
        t.refused(&format!("{what} of a directory"), answer, Errno::ISDIR);
    }
    let answer = open(&dir, O::RDONLY | O::CREATE, 0o644);
    t.refused("O_CREAT of a directory", answer, Errno::ISDIR);
    let answer = open(&dir, O::RDONLY | O::TRUNC, 0);
    t.refused("O_TRUNC of a directory", answer, Errno::ISDIR);
    t.done("O_DIRECTORY", open(&dir, O::RDONLY | O::DIRECTORY, 0))?;
    let answer = open(&file, O::RDONLY | O::DIRECTORY, 0);
    t.refused("O_DIRECTORY of a file", answer, Errno::NOTDIR);
    let answer = open(t.at("new"), O::RDONLY | O::DIRECTORY | O::CREATE, 0o644);
    t.refused("O_DIRECTORY with O_CREAT", answer, Errno::INVAL);
    let fd = t.done("open", syscalls::open_ro(&dir))?;
    t.refused(
        "read of a directory",
        syscalls::pread(&fd, 1, 0),
        Errno::ISDIR,
    );
    t.refused(
        "write of a directory",
        rustix::io::write(&fd, b"x"),
        Errno::BADF,
    );
    Ok(())
}

fn paths(t: &Test) -> Case {
    let file = t.at("file");
    t.done("creat", syscalls::create(&file, 0o644))?;
    t.refused("no such file", syscalls::open_ro(t.at("no")), Errno::NOENT);
    t.refused(
        "no such directory",
        syscalls::create(t.at("no/f"), 0o644),
        Errno::NOENT,
    );
    t.refused("empty path", syscalls::open_ro(""), Errno::NOENT);
    t.refused(
        "below a file",
        syscalls::open_ro(t.at("file/f")),
        Errno::NOTDIR,
    );
    t.refused(
        "file with a slash",
        syscalls::open_ro(t.at("file/")),
        Errno::NOTDIR,
    );
    t.refused(
        "creat with a slash",
        syscalls::create(t.at("new/"), 0o644),
        Errno::ISDIR,
    );
    t.done(
        "name of 255 bytes",
        syscalls::create(t.at(&"n".repeat(255)), 0o644),
    )?;
    t.done("found", syscalls::stat(t.at(&"n".repeat(255))))?;
    let long = "n".repeat(256);
    t.refused(
        "name of 256 bytes",
        syscalls::create(t.at(&long), 0o644),
        Errno::NAMETOOLONG,
    );
    t.refused(
        "looking for it",
        syscalls::open_ro(t.at(&long)),
        Errno::NAMETOOLONG,
    );
    let deep = t.at(&"d/".repeat(2100));
    t.refused(
        "path of 4096 bytes",
        syscalls::open_ro(deep),
        Errno::NAMETOOLONG,
    );
    for name in ["a b", "\u{e4}\u{1f980}", "new\nline", "-", "..."] {
        t.done("odd name", syscalls::create(t.at(name), 0o644))?;
        t.done("odd name found", syscalls::stat(t.at(name)))?;
    }
    t.refused("case matters", syscalls::stat(t.at("FILE")), Errno::NOENT);
    Ok(())
}

fn symlinks(t: &Test) -> Case {
    let file = t.at("file");
    t.done("write", syscalls::write_file(&file, b"text"))?;
    t.done("symlink", syscalls::symlink("file", t.at("link")))?;
    t.same(
        "read through it",
        syscalls::read_file(t.at("link")),
        Ok(b"text".to_vec()),
    );
    let nofollow = O::RDONLY | O::NOFOLLOW;
    t.refused("O_NOFOLLOW", open(t.at("link"), nofollow, 0), Errno::LOOP);
    t.done("dangling", syscalls::symlink("gone", t.at("dangling")))?;
    t.refused(
        "open of nothing",
        syscalls::open_ro(t.at("dangling")),
        Errno::NOENT,
    );
    t.refused(
        "O_EXCL",
        syscalls::create(t.at("dangling"), 0o644),
        Errno::EXIST,
    );
    let made = open(t.at("dangling"), O::WRONLY | O::CREATE, 0o644);
    t.done("creat through a symlink", made)?;
    t.done("made at its end", syscalls::stat(t.at("gone")))?;
    t.done("loop", syscalls::symlink("b", t.at("a")))?;
    t.done("loop", syscalls::symlink("a", t.at("b")))?;
    t.refused("in a circle", syscalls::open_ro(t.at("a")), Errno::LOOP);
    t.refused(
        "a circle as a directory",
        syscalls::stat(t.at("a/f")),
        Errno::LOOP,
    );
    t.done("first", syscalls::symlink("file", t.at("s0")))?;
    for number in 1..=40 {
        let target = format!("s{}", number - 1);
        t.done(
            "chain",
            syscalls::symlink(target, t.at(&format!("s{number}"))),
        )?;
    }
    t.done("40 symlinks", syscalls::open_ro(t.at("s39")))?;
    t.refused("41 symlinks", syscalls::open_ro(t.at("s40")), Errno::LOOP);
    Ok(())
}

fn rights(t: &Test) -> Case {
    let file = t.at("file");
    t.done("write", syscalls::write_file(&file, b"text"))?;
    t.done("give", syscalls::give(&file, OWNER))?;
    for (mode, user, flags, good) in [
        (0o400, OWNER, O::RDONLY, true),
        (0o400, OWNER, O::WRONLY, false),
        (0o200, OWNER, O::WRONLY, true),
        (0o200, OWNER, O::RDONLY, false),
        (0o600, OTHER, O::RDONLY, false),
        (0o604, OTHER, O::RDONLY, true),
        (0o604, OTHER, O::RDWR, false),
        (0o606, OTHER, O::RDWR, true),
        (0o066, OWNER, O::RDONLY, false),
        (0o000, 0, O::RDWR, true),
    ] {
        t.done("chmod", syscalls::chmod(&file, mode))?;
        let expected = if good { Ok(()) } else { Err(Errno::ACCESS) };
        let answer = as_user(user, || open(&file, flags, 0));
        t.answers(&format!("{mode:o} by {user} {flags:?}"), answer, expected);
    }
    t.done("chmod", syscalls::chmod(&file, 0o644))?;
    let noatime = O::RDONLY | O::NOATIME;
    t.done(
        "O_NOATIME of the owner",
        as_user(OWNER, || open(&file, noatime, 0)),
    )?;
    let answer = as_user(OTHER, || open(&file, noatime, 0));
    t.refused("O_NOATIME of another", answer, Errno::PERM);
    let answer = as_user(OTHER, || open(&file, O::RDONLY | O::TRUNC, 0));
    t.refused("O_TRUNC without right", answer, Errno::ACCESS);
    t.same(
        "nothing lost",
        syscalls::read_file(&file),
        Ok(b"text".to_vec()),
    );
    let answer = as_user(OTHER, || syscalls::create(t.at("new"), 0o644));
    t.refused("creat in another's directory", answer, Errno::ACCESS);
    t.done("chmod", syscalls::chmod(t.dir(), 0o744))?;
    let answer = as_user(OWNER, || syscalls::open_ro(&file));
    t.refused("no search", answer, Errno::ACCESS);
    t.done(
        "may still list",
        as_user(OWNER, || syscalls::names(t.dir())),
    )?;
    t.done("chmod", syscalls::chmod(t.dir(), 0o711))?;
    t.done("search", as_user(OWNER, || syscalls::open_ro(&file)))?;
    let answer = as_user(OWNER, || syscalls::names(t.dir()));
    t.refused("list without right", answer, Errno::ACCESS);
    Ok(())
}

fn append_and_truncate(t: &Test) -> Case {
    let file = t.at("file");
    t.done("write", syscalls::write_file(&file, b"first"))?;
    let fd = t.done("open", open(&file, O::WRONLY | O::APPEND, 0))?;
    t.done(
        "seek",
        rustix::fs::seek(&fd, rustix::fs::SeekFrom::Start(0)),
    )?;
    t.done("write", syscalls::write_all(&fd, b" second"))?;
    t.done("pwrite", rustix::io::pwrite(&fd, b" third", 0))?;
    t.same(
        "appended",
        syscalls::read_file(&file),
        Ok(b"first second third".to_vec()),
    );
    t.refused("read of O_WRONLY", syscalls::pread(&fd, 1, 0), Errno::BADF);
    t.done("O_TRUNC", open(&file, O::WRONLY | O::TRUNC, 0))?;
    t.same(
        "empty",
        syscalls::stat(&file).map(|stat| stat.st_size),
        Ok(0),
    );
    t.same(
        "blocks",
        syscalls::stat(&file).map(|stat| stat.st_blocks),
        Ok(0),
    );
    let fd = t.done("O_RDONLY", syscalls::open_ro(&file))?;
    t.refused(
        "write of O_RDONLY",
        rustix::io::write(&fd, b"x"),
        Errno::BADF,
    );
    Ok(())
}

fn special(t: &Test) -> Case {
    let (pipe, socket) = (t.at("pipe"), t.at("socket"));
    t.done("mkfifo", syscalls::mknod(&pipe, FileType::Fifo, 0o644, 0))?;
    let nonblock = O::WRONLY | O::NONBLOCK;
    t.refused("pipe without reader", open(&pipe, nonblock, 0), Errno::NXIO);
    let reader = t.done("reader", open(&pipe, O::RDONLY | O::NONBLOCK, 0))?;
    let writer = t.done("writer", open(&pipe, nonblock, 0))?;
    t.done("write", syscalls::write_all(&writer, b"through"))?;
    let mut buffer = [0; 16];
    t.same("read", rustix::io::read(&reader, &mut buffer), Ok(7));
    let seek = rustix::fs::seek(&reader, rustix::fs::SeekFrom::Start(0));
    t.refused("seek in a pipe", seek, Errno::SPIPE);
    t.done(
        "mknod",
        syscalls::mknod(&socket, FileType::Socket, 0o644, 0),
    )?;
    t.refused("open of a socket", syscalls::open_rw(&socket), Errno::NXIO);
    let device = t.at("device");
    // A major number without a driver.
    let number = rustix::fs::makedev(511, 200);
    let made = syscalls::mknod(&device, FileType::CharacterDevice, 0o644, number);
    if t.mount.manner.in_userns() {
        t.refused("device in a user namespace", made, Errno::PERM);
    } else {
        t.done("mknod", made)?;
        t.refused(
            "device without driver",
            syscalls::open_rw(&device),
            Errno::NXIO,
        );
        let null = t.at("null");
        let number = rustix::fs::makedev(1, 3);
        let made = syscalls::mknod(&null, FileType::CharacterDevice, 0o666, number);
        t.done("mknod", made)?;
        let fd = t.done("open", syscalls::open_rw(&null))?;
        t.same("write to nowhere", rustix::io::write(&fd, b"x"), Ok(1));
        t.same("read nothing", syscalls::pread(&fd, 1, 0), Ok(Vec::new()));
    }
    Ok(())
}

/// A program of our own is run from the filesystem, and cannot be written meanwhile.
fn running_program(t: &Test) -> Case {
    let program = t.at("program");
    let ours = t.done("read ourselves", syscalls::read_file("/proc/self/exe"))?;
    t.done("copy", syscalls::write_file(&program, &ours))?;
    let start = |path: &std::path::Path| {
        let mut command = std::process::Command::new(path);
        command.arg("wait").stdin(std::process::Stdio::piped());
        command.stdout(std::process::Stdio::piped());
        let started = command.spawn();
        started.map_err(errno::from_io)
    };
    t.refused("run without right", start(&program), Errno::ACCESS);
    t.done("chmod", syscalls::chmod(&program, 0o755))?;
    let mut child = t.done("run", start(&program))?;
    t.refused("write", open(&program, O::WRONLY, 0), Errno::TXTBSY);
    let answer = syscalls::truncate(&program, 0);
    t.refused("truncate", answer, Errno::TXTBSY);
    t.done("read", syscalls::open_ro(&program))?;
    // Its input ends, so it does.
    drop(child.stdin.take());
    let good = child.wait().is_ok_and(|status| status.success());
    t.holds("it ran to its end", good);
    let fd = t.done("write then", open(&program, O::WRONLY, 0))?;
    t.refused("run while written", start(&program), Errno::TXTBSY);
    drop(fd);
    t.same("unchanged", syscalls::read_file(&program), Ok(ours));
    Ok(())
}

fn path_only(t: &Test) -> Case {
    let file = t.at("file");
    t.done("write", syscalls::write_file(&file, b"text"))?;
    t.done("chmod", syscalls::chmod(&file, 0))?;
    let fd = as_user(OWNER, || open(&file, O::PATH, 0));
    let fd = t.done("O_PATH without right", fd)?;
    t.refused("read", syscalls::pread(&fd, 1, 0), Errno::BADF);
    t.same(
        "fstat",
        rustix::fs::fstat(&fd).map(|stat| stat.st_size),
        Ok(4),
    );
    t.done("symlink", syscalls::symlink("file", t.at("link")))?;
    let fd = t.done("of a symlink", open(t.at("link"), O::PATH | O::NOFOLLOW, 0))?;
    let kind = rustix::fs::fstat(&fd).map(|stat| FileType::from_raw_mode(stat.st_mode));
    t.same("is a symlink", kind, Ok(FileType::Symlink));
    t.refused("fchmod", rustix::fs::fchmod(&fd, 0o600.into()), Errno::BADF);
    Ok(())
}

fn tmpfile(t: &Test) -> Case {
    let fd = t.done("O_TMPFILE", open(t.dir(), O::TMPFILE | O::RDWR, 0o666))?;
    t.same(
        "directory stays empty",
        syscalls::names(t.dir()),
        Ok(Vec::new()),
    );
    let stat = t.done("fstat", rustix::fs::fstat(&fd))?;
    t.same("mode", stat.st_mode, 0o100_644);
    t.same("links", stat.st_nlink, 0);
    t.done("write", syscalls::write_all(&fd, b"text"))?;
    let named = t.at("named");
    t.done("linkat", syscalls::link_open(&fd, &named))?;
    t.same(
        "its contents",
        syscalls::read_file(&named),
        Ok(b"text".to_vec()),
    );
    t.same("its links", syscalls::links(&named), Ok(1));
    t.same("same inode", syscalls::ino(&named), Ok(stat.st_ino));
    t.done("link once more", syscalls::link_open(&fd, t.at("second")))?;
    t.same("links", syscalls::links(&named), Ok(2));
    t.refused("over one", syscalls::link_open(&fd, &named), Errno::EXIST);

    let empty = rustix::fs::AtFlags::EMPTY_PATH;
    let fd = t.done("O_TMPFILE", open(t.dir(), O::TMPFILE | O::WRONLY, 0o600))?;
    let third = t.at("third");
    let linked = rustix::fs::linkat(fd.as_fd(), "", rustix::fs::CWD, &third, empty);
    t.done("linkat by AT_EMPTY_PATH", linked)?;
    t.same("mode", syscalls::mode(&third), Ok(0o600));

    t.done("directory for all", syscalls::chmod(t.dir(), 0o777))?;
    let fd = as_user(OWNER, || {
        let fd = open(t.dir(), O::TMPFILE | O::RDWR, 0o600)?;
        syscalls::link_open(&fd, t.at("owned"))?;
        Ok(fd)
    });
    t.done("of a user", fd)?;
    t.same("owner", syscalls::owner(t.at("owned")), Ok((OWNER, OWNER)));
    Ok(())
}

fn tmpfile_refused(t: &Test) -> Case {
    let answer = open(t.dir(), O::TMPFILE | O::RDONLY, 0o666);
    t.refused("O_RDONLY", answer, Errno::INVAL);
    let answer = open(t.dir(), O::TMPFILE | O::RDWR | O::CREATE, 0o666);
    t.refused("with O_CREAT", answer, Errno::INVAL);
    let answer = open(t.at("no"), O::TMPFILE | O::RDWR, 0o666);
    t.refused("in no directory", answer, Errno::NOENT);
    t.done("creat", syscalls::create(t.at("file"), 0o644))?;
    let answer = open(t.at("file"), O::TMPFILE | O::RDWR, 0o666);
    t.refused("in a file", answer, Errno::NOTDIR);
    let answer = as_user(OTHER, || open(t.dir(), O::TMPFILE | O::RDWR, 0o666));
    t.refused("in another's directory", answer, Errno::ACCESS);
    let fd = open(t.dir(), O::TMPFILE | O::RDWR | O::EXCL, 0o666);
    let fd = t.done("with O_EXCL", fd)?;
    t.refused(
        "linkat of it",
        syscalls::link_open(&fd, t.at("new")),
        Errno::NOENT,
    );
    Ok(())
}
