// SPDX-License-Identifier: GPL-2.0

//! Mount options, valid and invalid, and the messages about invalid ones.

use std::os::fd::AsFd;

use kselftest::errno::SyscallResult;
use kselftest::syscalls;
use rustix::{
    io::Errno,
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag,
        fsconfig_set_string, fsmount, fsopen,
    },
};

use crate::test::{Case, Named, Stop, Test};

pub(crate) const TESTS: &[Named] = &[
    ("context.right", right),
    ("context.wrong", wrong),
    ("context.out_of_range", out_of_range),
    ("context.unknown", unknown),
    ("context.unmapped", unmapped),
    ("context.goes_on", goes_on),
];

/// A context to set options in.
struct Context(std::os::fd::OwnedFd);

impl Context {
    fn new(t: &Test) -> Result<Self, Stop> {
        let flags = FsOpenFlags::FSOPEN_CLOEXEC;
        Ok(Self(t.done("fsopen", fsopen(&t.mount.kind[..], flags))?))
    }

    fn set(&self, key: &str, value: &str) -> SyscallResult<()> {
        fsconfig_set_string(self.0.as_fd(), key, value)
    }

    /// Returns the messages since the last call.
    fn log(&self) -> String {
        let mut text = String::new();
        let mut buffer = [0; 1024];
        while let Ok(length) = rustix::io::read(&self.0, &mut buffer) {
            if length == 0 {
                break;
            }
            text.push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
        text
    }

    /// Makes the filesystem and opens its root.
    fn root(&self) -> SyscallResult<std::os::fd::OwnedFd> {
        fsconfig_create(self.0.as_fd())?;
        let flags = FsMountFlags::FSMOUNT_CLOEXEC;
        fsmount(self.0.as_fd(), flags, MountAttrFlags::empty())
    }
}

fn right(t: &Test) -> Case {
    for (key, value) in [
        ("size", "4096"),
        ("size", "4k"),
        ("size", "3m"),
        ("size", "1G"),
        ("size", "65536"),
        ("nr_inodes", "2"),
        ("nr_inodes", "1k"),
        ("mode", "0"),
        ("mode", "0755"),
        ("mode", "7777"),
        ("uid", "0"),
        ("uid", "1000"),
        ("gid", "65534"),
    ] {
        let context = Context::new(t)?;
        t.done(&format!("{key}={value}"), context.set(key, value))?;
        let root = t.done("create", context.root())?;
        t.same("nothing is said", context.log(), String::new());
        let space = t.done("statfs", rustix::fs::fstatfs(&root))?;
        match (key, value) {
            ("size", "3m") => t.same("blocks", space.f_blocks, 768),
            ("size", "65536") => t.same("blocks", space.f_blocks, 16),
            ("nr_inodes", "1k") => t.same("inodes", space.f_files, 1024),
            _ => (),
        }
    }
    // A size is rounded up to whole pages. The last of two options is in effect.
    let context = Context::new(t)?;
    t.done("size", context.set("size", "1m"))?;
    t.done("size again", context.set("size", "5000"))?;
    let root = t.done("create", context.root())?;
    let space = t.done("statfs", rustix::fs::fstatfs(&root))?;
    t.same("blocks", space.f_blocks, 2);
    Ok(())
}

/// The option must fail, and the message must name it.
fn refused(t: &Test, key: &str, value: &str) -> Case {
    let context = Context::new(t)?;
    let what = format!("{key}={value}");
    t.refused(&what, context.set(key, value), Errno::INVAL);
    let log = context.log();
    t.holds(
        &format!("{what}: is an error: {log:?}"),
        log.starts_with("e "),
    );
    t.holds(&format!("{what}: names it: {log:?}"), log.contains(key));
    Ok(())
}

fn wrong(t: &Test) -> Case {
    for (key, value) in [
        ("size", "x"),
        ("size", "-1"),
        ("size", "1kk"),
        ("size", "4096 "),
        ("nr_inodes", "many"),
        ("nr_inodes", "-1"),
        ("nr_inodes", "10%"),
        ("mode", "9"),
        ("mode", "rwx"),
        ("mode", "-1"),
        ("mode", ""),
        ("uid", "root"),
        ("uid", "-1"),
        ("uid", "4294967295"),
        ("uid", "4294967296"),
        ("gid", "4294967295"),
        ("gid", "x"),
    ] {
        refused(t, key, value)?;
    }
    let context = Context::new(t)?;
    let answer = fsconfig_set_flag(context.0.as_fd(), "size");
    t.refused("size without a value", answer, Errno::INVAL);
    let log = context.log();
    t.holds(&format!("names it: {log:?}"), log.contains("size"));
    Ok(())
}

/// Numbers out of range. tmpfs truncates them without a message.
fn out_of_range(t: &Test) -> Case {
    if t.mount.kind == "tmpfs" {
        let context = Context::new(t)?;
        return t.done("mode=17777", context.set("mode", "17777"));
    }
    for (key, value) in [
        ("size", "99999999999999999999999"),
        ("size", "18446744073709551616"),
        ("size", "16777216t"),
        ("nr_inodes", "99999999999999999999999"),
        ("mode", "17777"),
        ("mode", "77777777777777777777777"),
    ] {
        refused(t, key, value)?;
    }
    Ok(())
}

fn unknown(t: &Test) -> Case {
    refused(t, "color", "red")?;
    refused(t, "Size", "4096")?;
    let context = Context::new(t)?;
    let answer = fsconfig_set_flag(context.0.as_fd(), "loud");
    t.refused("an unknown flag", answer, Errno::INVAL);
    let log = context.log();
    t.holds(&format!("names it: {log:?}"), log.contains("loud"));
    Ok(())
}

/// An id that the user namespace does not have owns no root.
fn unmapped(t: &Test) -> Case {
    if !t.mount.manner.in_userns() {
        let context = Context::new(t)?;
        return t.done("uid=3000000", context.set("uid", "3000000"));
    }
    refused(t, "uid", "3000000")?;
    refused(t, "gid", "70000")
}

/// After a wrong option the right one can be given.
fn goes_on(t: &Test) -> Case {
    let context = Context::new(t)?;
    t.refused("wrong", context.set("size", "x"), Errno::INVAL);
    t.refused("unknown", context.set("color", "x"), Errno::INVAL);
    t.done("right", context.set("size", "64k"))?;
    t.done("right", context.set("mode", "711"))?;
    let root = t.done("create", context.root())?;
    let space = t.done("statfs", rustix::fs::fstatfs(&root))?;
    t.same("blocks", space.f_blocks, 16);
    t.same(
        "mode",
        syscalls::mode(syscalls::through(&root) + "/."),
        Ok(0o711),
    );
    t.same("two messages", context.log().lines().count(), 2);
    Ok(())
}
