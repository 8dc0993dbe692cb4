// SPDX-License-Identifier: GPL-2.0

//! The operations on each overlay of the matrix, and their expected results.

use std::path::Path;

use rustix::io::Errno;

use crate::{show::SyscallResult, syscalls, tree::Entry};

/// A step, as some user.
pub(super) struct Step {
    pub(super) what: &'static str,
    pub(super) user: u32,
    pub(super) call: Action,
}

pub(super) enum Action {
    /// A system call on the merged tree, and its answer.
    Call(fn(&Path) -> SyscallResult<()>, SyscallResult<()>),
    /// A program that succeeds; `@` stands for the merged tree.
    Run(&'static str),
    /// A program and its expected output.
    Says(&'static str, &'static str),
}

use Action::{Call, Run, Says};

/// The lower layer: name, type, owner, mode bits.
pub(super) const LOWER: &[(&str, Entry<'static>, u32, u32)] = &[
    (".", Entry::Directory, 0, 0o755),
    ("acl", Entry::File(b"acl\n"), 0, 0o644),
    ("deep", Entry::Directory, 0, 0o755),
    ("deep/a", Entry::Directory, 1000, 0o755),
    ("deep/a/b", Entry::File(b"b\n"), 1000, 0o644),
    ("file", Entry::File(b"contents\n"), 0, 0o644),
    ("directory", Entry::Directory, 1000, 0o755),
    ("directory/inner", Entry::File(b"inner\n"), 1000, 0o644),
    ("gone", Entry::File(b"gone\n"), 0, 0o644),
    ("link", Entry::Link("file"), 0, 0o777),
    ("old", Entry::Directory, 0, 0o755),
    ("old/inner", Entry::File(b"inner\n"), 0, 0o644),
    ("pipe", Entry::Fifo, 0, 0o600),
    ("private", Entry::File(b"private\n"), 1000, 0o600),
    ("shared", Entry::Directory, 0, 0o1777),
    ("shared/roots", Entry::File(b"roots\n"), 0, 0o644),
    ("team", Entry::Directory, 3000, 0o2777),
    ("untouched", Entry::File(b"untouched\n"), 1000, 0o640),
    ("users", Entry::File(b"users\n"), 1000, 0o644),
];

const DONE: SyscallResult<()> = Ok(());
const ACCESS: SyscallResult<()> = Err(Errno::ACCESS);
const PERM: SyscallResult<()> = Err(Errno::PERM);

const fn step(what: &'static str, user: u32, call: Action) -> Step {
    Step { what, user, call }
}

/// The steps, in order. Users 1000 and 2000 belong to no group of the other; 3000 is a team's.
pub(super) const STEPS: &[Step] = &[
    // New files.
    step(
        "root makes a file",
        0,
        Call(|m| syscalls::create(m.join("new")), DONE),
    ),
    step(
        "a directory",
        0,
        Call(|m| syscalls::mkdir(m.join("new-directory")), DONE),
    ),
    step(
        "a link",
        0,
        Call(|m| syscalls::symlink("file", m.join("new-link")), DONE),
    ),
    step(
        "a pipe",
        0,
        Call(|m| syscalls::fifo(m.join("new-pipe")), DONE),
    ),
    step(
        "a device",
        0,
        Call(|m| syscalls::device(m.join("new-device")), DONE),
    ),
    step(
        "a file named later",
        0,
        Call(|m| syscalls::tmpfile(m.join("new-tmpfile")), DONE),
    ),
    step(
        "1000 makes a file in the root's directory",
        1000,
        Call(|m| syscalls::create(m.join("not")), ACCESS),
    ),
    step(
        "in its own",
        1000,
        Call(|m| syscalls::create(m.join("directory/own")), DONE),
    ),
    step(
        "2000 makes one there",
        2000,
        Call(|m| syscalls::create(m.join("directory/not")), ACCESS),
    ),
    step(
        "in everybody's",
        2000,
        Call(|m| syscalls::create(m.join("shared/own")), DONE),
    ),
    step(
        "1000 makes a file in the team's",
        1000,
        Call(|m| syscalls::create(m.join("team/file")), DONE),
    ),
    step(
        "a directory",
        1000,
        Call(|m| syscalls::mkdir(m.join("team/directory")), DONE),
    ),
    // Files that are copied up.
    step(
        "root gives a lower file to 1000",
        0,
        Call(|m| syscalls::chown(m.join("file"), 1000), DONE),
    ),
    step(
        "1000 writes to it",
        1000,
        Call(|m| syscalls::append(m.join("file"), "more\n"), DONE),
    ),
    step(
        "2000 writes to it",
        2000,
        Call(|m| syscalls::append(m.join("file"), "more\n"), ACCESS),
    ),
    step(
        "1000 changes the mode of a lower file",
        1000,
        Call(|m| syscalls::chmod(m.join("untouched"), 0o600), DONE),
    ),
    step(
        "2000 changes it",
        2000,
        Call(|m| syscalls::chmod(m.join("untouched"), 0o666), PERM),
    ),
    step(
        "2000 reads it",
        2000,
        Call(|m| syscalls::open(m.join("untouched")), ACCESS),
    ),
    step(
        "1000 reads it",
        1000,
        Call(|m| syscalls::open(m.join("untouched")), DONE),
    ),
    step(
        "1000 says what is in it",
        1000,
        Says("cat @/untouched", "untouched"),
    ),
    step(
        "2000 reads 1000's private file",
        2000,
        Call(|m| syscalls::open(m.join("private")), ACCESS),
    ),
    step(
        "1000 writes to it",
        1000,
        Call(|m| syscalls::append(m.join("private"), "more\n"), DONE),
    ),
    step(
        "1000 changes the times of a lower file",
        1000,
        Call(|m| syscalls::set_times(m.join("users")), DONE),
    ),
    step(
        "2000 changes them",
        2000,
        Call(|m| syscalls::set_times(m.join("users")), PERM),
    ),
    step(
        "1000 gives it to 2000",
        1000,
        Call(|m| syscalls::chown(m.join("users"), 2000), PERM),
    ),
    step(
        "1000 adds an attribute",
        1000,
        Run("setfattr -n user.color -v red @/users"),
    ),
    step(
        "2000 reads the attribute",
        2000,
        Says(
            "getfattr --only-values -n user.color --absolute-names @/users",
            "red",
        ),
    ),
    // ACLs.
    step(
        "1000 writes to a file with an ACL for 1000",
        1000,
        Call(|m| syscalls::append(m.join("acl"), "x\n"), DONE),
    ),
    step(
        "2000 writes to it",
        2000,
        Call(|m| syscalls::append(m.join("acl"), "x\n"), ACCESS),
    ),
    step(
        "1000 lets 2000 write",
        1000,
        Run("setfacl -m u:2000:rw @/users"),
    ),
    step(
        "2000 writes",
        2000,
        Call(|m| syscalls::append(m.join("users"), "more\n"), DONE),
    ),
    step(
        "1000 lets 2000 do all in what is made in its directory",
        1000,
        Run("setfacl -d -m u:2000:rwx @/directory"),
    ),
    step(
        "1000 makes a file there",
        1000,
        Call(|m| syscalls::create(m.join("directory/inherits")), DONE),
    ),
    // The mode that it was made with is its mask.
    step(
        "2000 writes to it",
        2000,
        Call(
            |m| syscalls::append(m.join("directory/inherits"), "x\n"),
            ACCESS,
        ),
    ),
    // Programs.
    step(
        "2000 runs a program set-user-id 1000",
        2000,
        Says("@/program ids", "2000 1000"),
    ),
    step(
        "root gives it a capability",
        0,
        Run("setcap cap_setuid+ep @/program"),
    ),
    step(
        "getcap shows it",
        0,
        Says("getcap -n @/program", "@/program cap_setuid=ep"),
    ),
    step(
        "2000 runs it, with capabilities",
        2000,
        Says("@/program capabilities", "0000000000000080"),
    ),
    step(
        "1000 writes to it",
        1000,
        Call(|m| syscalls::append(m.join("program"), "x"), DONE),
    ),
    step("getcap shows nothing", 0, Says("getcap -n @/program", "")),
    step(
        "2000 runs it, as 2000 now",
        2000,
        Says("@/program ids", "2000 2000"),
    ),
    // Names.
    step(
        "2000 removes root's file from everybody's directory",
        2000,
        Call(|m| syscalls::unlink(m.join("shared/roots")), PERM),
    ),
    step(
        "root removes a lower file",
        0,
        Call(|m| syscalls::unlink(m.join("gone")), DONE),
    ),
    step(
        "it is gone",
        0,
        Call(|m| syscalls::open(m.join("gone")), Err(Errno::NOENT)),
    ),
    step(
        "root removes a lower directory",
        0,
        Call(|m| syscalls::rmdir(m.join("old")), Err(Errno::NOTEMPTY)),
    ),
    step(
        "what is in it",
        0,
        Call(|m| syscalls::unlink(m.join("old/inner")), DONE),
    ),
    step(
        "the directory now",
        0,
        Call(|m| syscalls::rmdir(m.join("old")), DONE),
    ),
    step(
        "and makes another of that name",
        0,
        Call(|m| syscalls::mkdir(m.join("old")), DONE),
    ),
    step(
        "in which nothing is",
        0,
        Call(|m| syscalls::open(m.join("old/inner")), Err(Errno::NOENT)),
    ),
    step(
        "root gives a lower directory another name",
        0,
        Call(
            |m| syscalls::rename(m.join("deep/a"), m.join("deep/c")),
            DONE,
        ),
    ),
    step(
        "1000 makes a file in it",
        1000,
        Call(|m| syscalls::create(m.join("deep/c/own")), DONE),
    ),
    step(
        "1000 gives a lower file another name",
        1000,
        Call(
            |m| syscalls::rename(m.join("directory/inner"), m.join("directory/outer")),
            DONE,
        ),
    ),
    step(
        "2000 gives it another",
        2000,
        Call(
            |m| syscalls::rename(m.join("directory/outer"), m.join("directory/not")),
            ACCESS,
        ),
    ),
    step(
        "1000 gives a lower file a second name",
        1000,
        Call(
            |m| syscalls::link(m.join("private"), m.join("directory/second")),
            DONE,
        ),
    ),
];

/// The merged tree at the end: name, type and mode, owner, size, the users of its ACL with their
/// permissions; `u` where the upper layer has the same, `-` where it has nothing.
pub(super) const AFTER: &str = "\
. d 0755 0:0 u
acl - 0664 0:0 6 1000=6 u
deep d 0755 0:0 u
deep/c d 0755 1000:1000 u
deep/c/b - 0644 1000:1000 2 -
deep/c/own - 0644 1000:1000 0 u
file - 0644 1000:1000 14 u
directory d 0755 1000:1000 u
directory/inherits - 0644 1000:1000 0 2000=7 u
directory/outer - 0644 1000:1000 6 u
directory/own - 0644 1000:1000 0 u
directory/second - 0600 1000:1000 13 u
link l 0777 0:0 -
new - 0644 0:0 0 u
new-device c 0664 1:3 0:0 u
new-directory d 0755 0:0 u
new-link l 0777 0:0 u
new-pipe p 0644 0:0 u
new-tmpfile - 0644 0:0 0 u
old d 0755 0:0 u
pipe p 0600 0:0 -
private - 0600 1000:1000 13 u
program - 0755 1000:1000 u
shared d 1777 0:0 u
shared/own - 0644 2000:2000 0 u
shared/roots - 0644 0:0 6 -
team d 2777 3000:3000 u
team/file - 0644 1000:3000 0 u
team/directory d 2755 1000:3000 u
untouched - 0600 1000:1000 10 u
users - 0664 1000:1000 11 2000=6 u
";
