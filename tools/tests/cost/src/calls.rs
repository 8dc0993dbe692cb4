// SPDX-License-Identifier: GPL-2.0

//! The calls that are measured.

use crate::{
    caller::Caller,
    clock::{self, Cost},
    tree::{SEEN, acl},
};
use kselftest::{
    acl::ACCESS,
    errno::{SyscallResult, from_io},
    fscaps,
    syscalls::{
        access, chmod, chown, create, get_xattr, link, mkdir, open, readlink, rename, rmdir,
        set_xattr, stat, unlink,
    },
};
use rustix::fs::OFlags;
use std::{fs, process::Command};

/// How often a call is measured.
const REPEAT: usize = 31;
/// How often a call that takes long is measured.
const REPEAT_LONG: usize = 5;

/// A call by its name.
type Call = (&'static str, usize, Box<dyn FnMut() -> SyscallResult>);

/// Measures the calls that a caller makes.
pub(crate) fn measure(caller: Caller, owner: u32) -> Vec<(&'static str, Cost)> {
    let measure = |(name, repeat, mut call): Call| (name, clock::measure(repeat, &mut call));
    calls(caller, owner).into_iter().map(measure).collect()
}

fn calls(caller: Caller, owner: u32) -> Vec<Call> {
    let tree = match caller {
        Caller::Owner | Caller::Group | Caller::Other => "public",
        Caller::Acl => "acl",
        Caller::Root | Caller::NsRoot => "private",
    };
    let mut calls = reading(tree);
    if matches!(caller, Caller::Other | Caller::Acl) {
        return calls;
    }
    calls.extend(naming(tree));
    if caller == Caller::Group {
        return calls;
    }
    // As the caller's namespace names the owner.
    let owner = if caller == Caller::NsRoot { 1 } else { owner };
    calls.extend(changing(tree, owner));
    if caller == Caller::Owner {
        calls.push(long("readdir+statx-1000", list));
    }
    calls
}

fn one(name: &'static str, call: impl FnMut() -> SyscallResult + 'static) -> Call {
    (name, REPEAT, Box::new(call))
}

fn long(name: &'static str, call: impl FnMut() -> SyscallResult + 'static) -> Call {
    (name, REPEAT_LONG, Box::new(call))
}

/// A path for more than one call.
fn path(tree: &str, name: &str) -> &'static str {
    format!("{SEEN}/{tree}/dir/{name}").leak()
}

/// Calls that change nothing.
fn reading(tree: &str) -> Vec<Call> {
    let [file, link, xattrs, program] =
        ["file", "link", "xattrs", "program"].map(|name| path(tree, name));
    let deep = |dirs: &str| -> &'static str { format!("{SEEN}/deep/{dirs}/file").leak() };
    let [two, four, eight] = ["2", "2/3/4", "2/3/4/5/6/7/8"].map(deep);
    vec![
        one("stat", move || stat(file).map(drop)),
        one("access-r", move || access(file, libc::R_OK, 0)),
        one("access-w", move || access(file, libc::W_OK, 0)),
        one("open-r+close", move || {
            open(file, OFlags::RDONLY, 0).map(drop)
        }),
        one("open-w+close", move || {
            open(file, OFlags::RDWR, 0).map(drop)
        }),
        one("readlink", move || readlink(link, 64).map(drop)),
        one("getxattr-acl", move || get_xattr(xattrs, ACCESS).map(drop)),
        one("getxattr-cap", move || {
            get_xattr(xattrs, fscaps::NAME).map(drop)
        }),
        one("stat-2", move || stat(two).map(drop)),
        one("stat-4", move || stat(four).map(drop)),
        one("stat-8", move || stat(eight).map(drop)),
        one("access-8", move || access(eight, libc::R_OK, 0)),
        long("exec-setuid", move || run(program)),
    ]
}

/// Calls that make and remove names.
fn naming(tree: &str) -> Vec<Call> {
    let [file, new, renamed] = ["file", "new", "renamed"].map(|name| path(tree, name));
    vec![
        one("creat+unlink", move || {
            create(new, 0o644)?;
            unlink(new)
        }),
        one("mkdir+rmdir", move || {
            mkdir(new, 0o755)?;
            rmdir(new)
        }),
        one("rename+back", move || {
            rename(file, renamed)?;
            rename(renamed, file)
        }),
        one("link+unlink", move || {
            link(file, new)?;
            unlink(new)
        }),
    ]
}

/// Calls that change attributes.
fn changing(tree: &str, owner: u32) -> Vec<Call> {
    let [file, xattrs] = ["attributes", "xattrs"].map(|name| path(tree, name));
    let (acl, capabilities) = (acl(owner), fscaps::encode(fscaps::NET_RAW, None));
    vec![
        one("chmod", move || chmod(file, 0o640)),
        one("chown", move || chown(file, Some(owner), Some(owner))),
        one("setxattr-acl", move || set_xattr(xattrs, ACCESS, &acl)),
        one("setxattr-cap", move || {
            set_xattr(xattrs, fscaps::NAME, &capabilities)
        }),
        one("getxattr-acl-set", move || {
            get_xattr(xattrs, ACCESS).map(drop)
        }),
        one("getxattr-cap-set", move || {
            get_xattr(xattrs, fscaps::NAME).map(drop)
        }),
    ]
}

/// Runs a program that exits at once.
fn run(program: &str) -> SyscallResult {
    Command::new(program)
        .arg("exit")
        .status()
        .map(drop)
        .map_err(from_io)
}

/// Reads a directory and the attributes of all its files.
fn list() -> SyscallResult {
    for entry in fs::read_dir(format!("{SEEN}/list")).map_err(from_io)? {
        entry.and_then(|entry| entry.metadata()).map_err(from_io)?;
    }
    Ok(())
}
