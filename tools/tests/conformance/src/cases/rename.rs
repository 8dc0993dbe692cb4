// SPDX-License-Identifier: GPL-2.0

//! `rename()` with all its flags.

use kselftest::credentials::as_user;
use kselftest::syscalls;
use kselftest::syscalls::mkdir;
use kselftest::syscalls::rename;
use kselftest::syscalls::rename_with;
use kselftest::syscalls::write_file;
use rustix::{
    fs::{FileType, RenameFlags as R},
    io::Errno,
};

use super::{OTHER, OWNER};
use crate::{
    test::{Case, Named, Test},
    test_mount::in_mount,
};

pub(super) const TESTS: &[Named] = &[
    ("rename.file", file),
    ("rename.directory", directory),
    ("rename.over_kinds", over_kinds),
    ("rename.same_file", same_file),
    ("rename.refused", refused),
    ("rename.rights", rights),
    ("rename.noreplace", noreplace),
    ("rename.exchange", exchange),
    ("rename.exchange_kinds", exchange_kinds),
    ("rename.whiteout", whiteout),
    ("rename.flags_refused", flags_refused),
];

fn file(t: &Test) -> Case {
    let (old, new) = (t.at("old"), t.at("new"));
    t.done("write", write_file(&old, b"old"))?;
    let ino = syscalls::ino(&old);
    t.done("rename", rename(&old, &new))?;
    t.refused("old name", syscalls::stat(&old), Errno::NOENT);
    t.same("same inode", syscalls::ino(&new), ino);
    t.same("contents", syscalls::read_file(&new), Ok(b"old".to_vec()));

    t.done("write", write_file(&old, b"newer"))?;
    let replaced = t.done("open", syscalls::open_ro(&new))?;
    t.done("over a file", rename(&old, &new))?;
    t.same("contents", syscalls::read_file(&new), Ok(b"newer".to_vec()));
    let links = rustix::fs::fstat(&replaced).map(|stat| stat.st_nlink);
    t.same("links of what was there", links, Ok(0));
    t.same(
        "still open",
        syscalls::pread(&replaced, 9, 0),
        Ok(b"old".to_vec()),
    );
    t.same(
        "one name",
        syscalls::names(t.dir()),
        Ok(vec!["new".to_owned()]),
    );

    t.done("link", syscalls::link(&new, t.at("link")))?;
    t.done("write", write_file(&old, b"third"))?;
    t.done("over one of two names", rename(&old, &new))?;
    t.same("links of the other", syscalls::links(t.at("link")), Ok(1));
    t.done("mkdir", mkdir(t.at("dir"), 0o755))?;
    t.done("into a directory", rename(&new, t.at("dir/new")))?;
    t.same(
        "there",
        syscalls::read_file(t.at("dir/new")),
        Ok(b"third".to_vec()),
    );
    Ok(())
}

fn directory(t: &Test) -> Case {
    for name in ["a", "b", "a/sub"] {
        t.done("mkdir", mkdir(t.at(name), 0o755))?;
    }
    t.done("write", write_file(t.at("a/sub/file"), b"text"))?;
    t.same("links of a", syscalls::links(t.at("a")), Ok(3));
    t.done("rename", rename(t.at("a/sub"), t.at("b/moved")))?;
    t.same("links of a", syscalls::links(t.at("a")), Ok(2));
    t.same("links of b", syscalls::links(t.at("b")), Ok(3));
    t.same("links of it", syscalls::links(t.at("b/moved")), Ok(2));
    t.same(
        "its parent",
        syscalls::ino(t.at("b/moved/..")),
        syscalls::ino(t.at("b")),
    );
    let text = syscalls::read_file(t.at("b/moved/file"));
    t.same("what is in it", text, Ok(b"text".to_vec()));
    t.done("mkdir", mkdir(t.at("empty"), 0o755))?;
    t.same("links", syscalls::links(t.dir()), Ok(5));
    t.done(
        "over an empty directory",
        rename(t.at("b/moved"), t.at("empty")),
    )?;
    t.same("links", syscalls::links(t.dir()), Ok(5));
    t.same("links of b", syscalls::links(t.at("b")), Ok(2));
    let text = syscalls::read_file(t.at("empty/file"));
    t.same("what is in it", text, Ok(b"text".to_vec()));
    t.done("with slashes", rename(t.at("a/"), t.at("z/")))?;
    Ok(())
}

fn over_kinds(t: &Test) -> Case {
    t.done("write", write_file(t.at("file"), b""))?;
    for name in ["dir", "full", "full/sub"] {
        t.done("mkdir", mkdir(t.at(name), 0o755))?;
    }
    t.done("symlink", syscalls::symlink("dir", t.at("link")))?;
    t.done(
        "mkfifo",
        syscalls::mknod(t.at("pipe"), FileType::Fifo, 0o644, 0),
    )?;
    t.refused(
        "file over directory",
        rename(t.at("file"), t.at("dir")),
        Errno::ISDIR,
    );
    t.refused(
        "directory over file",
        rename(t.at("dir"), t.at("file")),
        Errno::NOTDIR,
    );
    t.refused(
        "directory over symlink",
        rename(t.at("dir"), t.at("link")),
        Errno::NOTDIR,
    );
    t.refused(
        "over a full directory",
        rename(t.at("dir"), t.at("full")),
        Errno::NOTEMPTY,
    );
    t.done("symlink over file", rename(t.at("link"), t.at("file")))?;
    let kind = syscalls::stat(t.at("file")).map(|stat| FileType::from_raw_mode(stat.st_mode));
    t.same("is a symlink", kind, Ok(FileType::Symlink));
    t.done("pipe over symlink", rename(t.at("pipe"), t.at("file")))?;
    t.done("directory stays", syscalls::stat(t.at("dir")))?;
    Ok(())
}

fn same_file(t: &Test) -> Case {
    t.done("write", write_file(t.at("a"), b""))?;
    t.done("link", syscalls::link(t.at("a"), t.at("b")))?;
    t.done("over another name of it", rename(t.at("a"), t.at("b")))?;
    let both = vec!["a".to_owned(), "b".to_owned()];
    t.same("both names stay", syscalls::names(t.dir()), Ok(both));
    t.same("links", syscalls::links(t.at("a")), Ok(2));
    t.done("over itself", rename(t.at("a"), t.at("a")))?;
    t.done("mkdir", mkdir(t.at("d"), 0o755))?;
    t.done("directory over itself", rename(t.at("d"), t.at("d")))?;
    Ok(())
}

fn refused(t: &Test) -> Case {
    t.done("write", write_file(t.at("file"), b""))?;
    for name in ["dir", "dir/sub"] {
        t.done("mkdir", mkdir(t.at(name), 0o755))?;
    }
    let go = |old: &str, new: &str| rename(t.at(old), t.at(new));
    let answers = [
        ("nothing", go("no", "new"), Errno::NOENT),
        ("into no directory", go("file", "no/f"), Errno::NOENT),
        ("below a file", go("file/f", "new"), Errno::NOTDIR),
        ("into a file", go("dir", "file/f"), Errno::NOTDIR),
        ("file with a slash", go("file/", "new"), Errno::NOTDIR),
        ("file to a slash", go("file", "new/"), Errno::NOTDIR),
        ("into itself", go("dir", "dir/new"), Errno::INVAL),
        ("deep into itself", go("dir", "dir/sub/new"), Errno::INVAL),
        ("over its parent", go("dir/sub", "dir"), Errno::NOTEMPTY),
        ("by .", go("dir/.", "new"), Errno::BUSY),
        ("by ..", go("dir/sub/..", "new"), Errno::BUSY),
        ("to .", go("file", "dir/."), Errno::BUSY),
        (
            "long name",
            go("file", &"n".repeat(256)),
            Errno::NAMETOOLONG,
        ),
        (
            "to another filesystem",
            rename(t.at("file"), "/run/new"),
            Errno::XDEV,
        ),
    ];
    for (what, answer, errno) in answers {
        t.refused(what, answer, errno);
    }
    let Ok(again) = t.mount.again() else {
        t.holds("mounting it again", false);
        return Ok(());
    };
    let elsewhere = in_mount(t.mount, &again, &t.at("new"));
    t.refused(
        "to another mount of it",
        rename(t.at("file"), elsewhere),
        Errno::XDEV,
    );
    let all = vec!["dir".to_owned(), "file".to_owned()];
    t.same("all as before", syscalls::names(t.dir()), Ok(all));
    Ok(())
}

fn rights(t: &Test) -> Case {
    for name in ["from", "to"] {
        t.done("mkdir", mkdir(t.at(name), 0o755))?;
        t.done("give", syscalls::give(t.at(name), OWNER))?;
    }
    t.done("write", write_file(t.at("from/f"), b""))?;
    let go = || rename(t.at("from/f"), t.at("to/f"));
    t.refused("by another", as_user(OTHER, go), Errno::ACCESS);
    t.done("open one", syscalls::chmod(t.at("to"), 0o777))?;
    t.refused("out of another's", as_user(OTHER, go), Errno::ACCESS);
    t.done("by the owner of both", as_user(OWNER, go))?;
    // To move a directory to another parent is to write to it: its .. changes.
    t.done("mkdir", mkdir(t.at("from/d"), 0o755))?;
    let go = || rename(t.at("from/d"), t.at("to/d"));
    t.refused("a directory of another", as_user(OWNER, go), Errno::ACCESS);
    let within = || rename(t.at("from/d"), t.at("from/e"));
    t.done("within its parent", as_user(OWNER, within))?;
    Ok(())
}

fn noreplace(t: &Test) -> Case {
    t.done("write", write_file(t.at("a"), b"a"))?;
    t.done("write", write_file(t.at("b"), b"b"))?;
    t.done("mkdir", mkdir(t.at("d"), 0o755))?;
    for new in ["b", "d", "a"] {
        let answer = rename_with(t.at("a"), t.at(new), R::NOREPLACE);
        t.refused(&format!("over {new}"), answer, Errno::EXIST);
    }
    t.same(
        "contents",
        syscalls::read_file(t.at("b")),
        Ok(b"b".to_vec()),
    );
    t.done(
        "to nothing",
        rename_with(t.at("a"), t.at("c"), R::NOREPLACE),
    )?;
    t.same("moved", syscalls::read_file(t.at("c")), Ok(b"a".to_vec()));
    t.done(
        "a directory",
        rename_with(t.at("d"), t.at("e"), R::NOREPLACE),
    )?;
    let answer = rename_with(t.at("no"), t.at("f"), R::NOREPLACE);
    t.refused("of nothing", answer, Errno::NOENT);
    Ok(())
}

fn exchange(t: &Test) -> Case {
    t.done("mkdir", mkdir(t.at("d"), 0o755))?;
    t.done("write", write_file(t.at("a"), b"a"))?;
    t.done("write", write_file(t.at("d/b"), b"b"))?;
    let inodes = (syscalls::ino(t.at("a")), syscalls::ino(t.at("d/b")));
    t.done("exchange", rename_with(t.at("a"), t.at("d/b"), R::EXCHANGE))?;
    let now = (syscalls::ino(t.at("d/b")), syscalls::ino(t.at("a")));
    t.same("inodes", now, inodes);
    t.same(
        "contents",
        syscalls::read_file(t.at("a")),
        Ok(b"b".to_vec()),
    );
    t.same(
        "contents",
        syscalls::read_file(t.at("d/b")),
        Ok(b"a".to_vec()),
    );
    t.done(
        "with itself",
        rename_with(t.at("a"), t.at("a"), R::EXCHANGE),
    )?;
    let answer = rename_with(t.at("a"), t.at("no"), R::EXCHANGE);
    t.refused("with nothing", answer, Errno::NOENT);
    let answer = rename_with(t.at("no"), t.at("a"), R::EXCHANGE);
    t.refused("of nothing", answer, Errno::NOENT);
    let answer = rename_with(t.at("d"), t.at("d/b"), R::EXCHANGE);
    t.refused("with what is in it", answer, Errno::INVAL);
    let answer = rename_with(t.at("d/b"), t.at("d"), R::EXCHANGE);
    t.refused("with what it is in", answer, Errno::INVAL);
    Ok(())
}

fn exchange_kinds(t: &Test) -> Case {
    for name in ["x", "y", "x/dir", "x/dir/sub"] {
        t.done("mkdir", mkdir(t.at(name), 0o755))?;
    }
    t.done("write", write_file(t.at("y/file"), b"text"))?;
    t.same("links of x", syscalls::links(t.at("x")), Ok(3));
    t.same("links of y", syscalls::links(t.at("y")), Ok(2));
    let swapped = rename_with(t.at("x/dir"), t.at("y/file"), R::EXCHANGE);
    t.done("directory and file", swapped)?;
    t.same("links of x", syscalls::links(t.at("x")), Ok(2));
    t.same("links of y", syscalls::links(t.at("y")), Ok(3));
    t.same(
        "file",
        syscalls::read_file(t.at("x/dir")),
        Ok(b"text".to_vec()),
    );
    t.done("directory", syscalls::stat(t.at("y/file/sub")))?;
    let parent = syscalls::ino(t.at("y/file/.."));
    t.same("its parent", parent, syscalls::ino(t.at("y")));
    let swapped = rename_with(t.at("x/dir"), t.at("y/file"), R::EXCHANGE);
    t.done("file and directory", swapped)?;
    t.same("links of x", syscalls::links(t.at("x")), Ok(3));
    t.same("links of y", syscalls::links(t.at("y")), Ok(2));
    t.done("mkdir", mkdir(t.at("y/full"), 0o755))?;
    let swapped = rename_with(t.at("x/dir"), t.at("y/full"), R::EXCHANGE);
    t.done("directories that are not empty", swapped)?;
    t.same("links of x", syscalls::links(t.at("x")), Ok(3));
    t.same("links of y", syscalls::links(t.at("y")), Ok(3));
    t.done("what was in one", syscalls::stat(t.at("y/full/sub")))?;
    Ok(())
}

fn whiteout(t: &Test) -> Case {
    let check = |t: &Test, path: &str| -> Case {
        let stat = t.done("stat", syscalls::stat(t.at(path)))?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        t.same("is a device", kind, FileType::CharacterDevice);
        t.same("of number 0", stat.st_rdev, 0);
        t.same("with no rights", stat.st_mode & 0o777, 0);
        t.same("links", stat.st_nlink, 1);
        Ok(())
    };
    t.done("write", write_file(t.at("a"), b"a"))?;
    t.done("rename", rename_with(t.at("a"), t.at("b"), R::WHITEOUT))?;
    t.same("moved", syscalls::read_file(t.at("b")), Ok(b"a".to_vec()));
    check(t, "a")?;
    t.done("write", write_file(t.at("c"), b"c"))?;
    t.done(
        "over a file",
        rename_with(t.at("c"), t.at("b"), R::WHITEOUT),
    )?;
    check(t, "c")?;
    t.done("mkdir", mkdir(t.at("d"), 0o755))?;
    t.done(
        "a directory",
        rename_with(t.at("d"), t.at("e"), R::WHITEOUT),
    )?;
    check(t, "d")?;
    t.same("links", syscalls::links(t.dir()), Ok(3));
    t.done("write", write_file(t.at("f"), b"f"))?;
    let flags = R::WHITEOUT | R::NOREPLACE;
    let answer = rename_with(t.at("f"), t.at("b"), flags);
    t.refused("with NOREPLACE", answer, Errno::EXIST);
    t.same(
        "nothing made",
        syscalls::read_file(t.at("f")),
        Ok(b"f".to_vec()),
    );
    t.done("with NOREPLACE", rename_with(t.at("f"), t.at("g"), flags))?;
    check(t, "f")?;
    t.done("over a whiteout", rename(t.at("g"), t.at("f")))?;
    t.same(
        "there again",
        syscalls::read_file(t.at("f")),
        Ok(b"f".to_vec()),
    );
    t.done("directory for all", syscalls::chmod(t.dir(), 0o777))?;
    let made = as_user(OWNER, || rename_with(t.at("b"), t.at("h"), R::WHITEOUT));
    t.done("by a user", made)?;
    check(t, "b")?;
    t.same("its owner", syscalls::owner(t.at("b")), Ok((OWNER, OWNER)));
    Ok(())
}

fn flags_refused(t: &Test) -> Case {
    t.done("write", write_file(t.at("a"), b"a"))?;
    t.done("write", write_file(t.at("b"), b"b"))?;
    for (what, flags) in [
        ("EXCHANGE with NOREPLACE", R::EXCHANGE | R::NOREPLACE),
        ("EXCHANGE with WHITEOUT", R::EXCHANGE | R::WHITEOUT),
        ("an unknown flag", R::from_bits_retain(1 << 10)),
    ] {
        let answer = rename_with(t.at("a"), t.at("b"), flags);
        t.refused(what, answer, Errno::INVAL);
    }
    t.same("a", syscalls::read_file(t.at("a")), Ok(b"a".to_vec()));
    t.same("b", syscalls::read_file(t.at("b")), Ok(b"b".to_vec()));
    Ok(())
}
