// SPDX-License-Identifier: GPL-2.0

//! `getdents()`, also while the directory changes.

use std::{collections::BTreeSet, os::fd::OwnedFd};

use kselftest::errno::SyscallResult;
use kselftest::raw;
use kselftest::raw::Entry;
use kselftest::syscalls;
use rustix::{
    fs::{FileType, SeekFrom, seek},
    io::Errno,
};

use crate::test::{Case, Named, Test};

pub(super) const TESTS: &[Named] = &[
    ("getdents.entries", entries),
    ("getdents.many", many),
    ("getdents.while_removing", while_removing),
    ("getdents.while_adding", while_adding),
    ("getdents.while_renaming", while_renaming),
    ("getdents.positions", positions),
    ("getdents.refused", refused),
];

/// Returns the entries from the position of the descriptor to the end, read with buffers of `size`
/// bytes.
fn rest(fd: &OwnedFd, size: usize) -> SyscallResult<Vec<Entry>> {
    let mut all = Vec::new();
    loop {
        let some = raw::getdents(fd, size)?;
        if some.is_empty() {
            return Ok(all);
        }
        all.extend(some);
    }
}

fn names(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|entry| entry.name.clone()).collect()
}

fn entries(t: &Test) -> Case {
    t.done("creat", syscalls::create(t.at("file"), 0o644))?;
    t.done("mkdir", syscalls::mkdir(t.at("dir"), 0o755))?;
    t.done("symlink", syscalls::symlink("x", t.at("link")))?;
    t.done(
        "mkfifo",
        syscalls::mknod(t.at("pipe"), FileType::Fifo, 0o644, 0),
    )?;
    t.done(
        "socket",
        syscalls::mknod(t.at("sock"), FileType::Socket, 0o644, 0),
    )?;
    let whiteout = syscalls::mknod(t.at("chr"), FileType::CharacterDevice, 0, 0);
    t.done("whiteout", whiteout)?;
    let fd = t.done("open", syscalls::open_ro(t.dir()))?;
    let seen = t.done("getdents", rest(&fd, 4096))?;
    t.same(
        "first",
        &names(&seen[..2])[..],
        &[".".to_owned(), "..".to_owned()],
    );
    t.same("count", seen.len(), 8);
    for entry in &seen {
        let at = if entry.name == ".." {
            // That of the root of a mount is that of the root itself.
            t.dir().parent().unwrap_or(t.dir()).to_owned()
        } else {
            t.at(&entry.name)
        };
        let stat = t.done("stat", syscalls::stat(at))?;
        t.same(&format!("inode of {}", entry.name), entry.ino, stat.st_ino);
        let kind = (stat.st_mode >> 12) as u8;
        t.same(&format!("kind of {}", entry.name), entry.kind, kind);
    }
    t.same("at the end", rest(&fd, 4096), Ok(Vec::new()));
    t.same("rewind", seek(&fd, SeekFrom::Start(0)), Ok(0));
    t.same("the same again", rest(&fd, 4096), Ok(seen));
    Ok(())
}

fn many(t: &Test) -> Case {
    let mut expected: BTreeSet<String> = [".".to_owned(), "..".to_owned()].into();
    for number in 0..3000 {
        let name = format!("a file with the number {number}");
        t.done("creat", syscalls::create(t.at(&name), 0o644))?;
        expected.insert(name);
    }
    for size in [512, 4096, 1 << 20] {
        let fd = t.done("open", syscalls::open_ro(t.dir()))?;
        let seen = t.done("getdents", rest(&fd, size))?;
        t.same("count", seen.len(), expected.len());
        let seen: BTreeSet<String> = names(&seen).into_iter().collect();
        t.holds(&format!("each once, by {size} bytes"), seen == expected);
    }
    Ok(())
}

/// A directory with `count` files, opened, of which the first few entries have been read.
fn begun(t: &Test, count: usize) -> Result<(OwnedFd, Vec<Entry>), crate::test::Stop> {
    for number in 0..count {
        t.done(
            "creat",
            syscalls::create(t.at(&format!("f{number}")), 0o644),
        )?;
    }
    let fd = t.done("open", syscalls::open_ro(t.dir()))?;
    let first = t.done("getdents", raw::getdents(&fd, 512))?;
    t.holds("some are read", first.len() > 4);
    t.holds("not all are", first.len() < count);
    Ok((fd, first))
}

/// Entries that stay while others are removed must be read exactly once, from any position.
fn while_removing(t: &Test) -> Case {
    let (fd, first) = begun(t, 200)?;
    let mut gone = BTreeSet::new();
    for number in (0..200).filter(|number| number % 3 != 0) {
        let name = format!("f{number}");
        t.done("unlink", syscalls::unlink(t.at(&name)))?;
        gone.insert(name);
    }
    let mut seen = names(&first);
    let later = t.done("getdents", rest(&fd, 512))?;
    let ghosts = names(&later)
        .iter()
        .filter(|name| gone.contains(*name))
        .count();
    t.same("removed ones that come later", ghosts, 0);
    seen.extend(names(&later));
    for number in (0..200).step_by(3) {
        let name = format!("f{number}");
        let times = seen.iter().filter(|seen| **seen == name).count();
        t.same(&format!("times that {name} is seen"), times, 1);
    }
    Ok(())
}

/// As it must while others come; each of these may be seen or not, but not twice.
fn while_adding(t: &Test) -> Case {
    let (fd, first) = begun(t, 200)?;
    let mut seen = names(&first);
    let mut added = 0;
    loop {
        let some = t.done("getdents", raw::getdents(&fd, 512))?;
        if some.is_empty() {
            break;
        }
        seen.extend(names(&some));
        if added < 500 {
            t.done(
                "creat",
                syscalls::create(t.at(&format!("new{added}")), 0o644),
            )?;
            added += 1;
        }
    }
    for number in 0..200 {
        let name = format!("f{number}");
        let times = seen.iter().filter(|seen| **seen == name).count();
        t.same(&format!("times that {name} is seen"), times, 1);
    }
    let set: BTreeSet<&String> = seen.iter().collect();
    t.same("none is seen twice", set.len(), seen.len());
    Ok(())
}

/// Removing an entry and making it anew, and moving others, harms none that stays.
fn while_renaming(t: &Test) -> Case {
    let (fd, first) = begun(t, 120)?;
    for number in (0..120).step_by(2) {
        let old = t.at(&format!("f{number}"));
        t.done(
            "rename",
            syscalls::rename(&old, t.at(&format!("g{number}"))),
        )?;
        t.done("creat", syscalls::create(&old, 0o644))?;
    }
    let mut seen = names(&first);
    seen.extend(names(&t.done("getdents", rest(&fd, 512))?));
    for number in (1..120).step_by(2) {
        let name = format!("f{number}");
        let times = seen.iter().filter(|seen| **seen == name).count();
        t.same(&format!("times that {name} is seen"), times, 1);
    }
    Ok(())
}

fn positions(t: &Test) -> Case {
    for number in 0..50 {
        t.done(
            "creat",
            syscalls::create(t.at(&format!("f{number}")), 0o644),
        )?;
    }
    let fd = t.done("open", syscalls::open_ro(t.dir()))?;
    let all = t.done("getdents", rest(&fd, 4096))?;
    let offsets: BTreeSet<u64> = all.iter().map(|entry| entry.offset).collect();
    t.same("each has its own position", offsets.len(), all.len());
    for (index, entry) in all.iter().enumerate() {
        t.same(
            "seek",
            seek(&fd, SeekFrom::Start(entry.offset)),
            Ok(entry.offset),
        );
        let after = t.done("getdents", rest(&fd, 4096))?;
        t.same("what follows", names(&after), names(&all[index + 1..]));
    }
    // A position outlives the entry that it stands behind.
    let (here, next) = (&all[20], &all[21]);
    t.done("unlink", syscalls::unlink(t.at(&here.name)))?;
    t.same(
        "seek",
        seek(&fd, SeekFrom::Start(here.offset)),
        Ok(here.offset),
    );
    let after = t.done("getdents", rest(&fd, 4096))?;
    t.same("next of a removed one", &after[0].name, &next.name);
    let other = t.done("open", syscalls::open_ro(t.dir()))?;
    let again = t.done("getdents", rest(&other, 512))?;
    t.same("another reader's order", again.len(), all.len() - 1);
    t.refused(
        "seek to -1",
        seek(&fd, SeekFrom::Current(-1 << 62)),
        Errno::INVAL,
    );
    Ok(())
}

fn refused(t: &Test) -> Case {
    t.done("creat", syscalls::create(t.at("file"), 0o644))?;
    let fd = t.done("open", syscalls::open_ro(t.dir()))?;
    t.refused("no room", raw::getdents(&fd, 10), Errno::INVAL);
    t.same("nothing lost", rest(&fd, 4096).map(|all| all.len()), Ok(3));
    let file = t.done("open", syscalls::open_ro(t.at("file")))?;
    t.refused("a file", raw::getdents(&file, 4096), Errno::NOTDIR);
    t.done("mkdir", syscalls::mkdir(t.at("dir"), 0o755))?;
    let fd = t.done("open", syscalls::open_ro(t.at("dir")))?;
    t.done("rmdir", syscalls::rmdir(t.at("dir")))?;
    t.refused(
        "a removed directory",
        raw::getdents(&fd, 4096),
        Errno::NOENT,
    );
    Ok(())
}
