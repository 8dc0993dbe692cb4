// SPDX-License-Identifier: GPL-2.0

//! Extended attributes of users, of the trusted, and of security modules.

use kselftest::credentials::as_user;
use kselftest::syscalls;
use kselftest::syscalls::chmod;
use kselftest::syscalls::get_xattr;
use kselftest::syscalls::give;
use kselftest::syscalls::list_xattr;
use kselftest::syscalls::remove_xattr;
use kselftest::syscalls::set_xattr;
use kselftest::syscalls::set_xattr_with;
use rustix::{
    fs::{FileType, XattrFlags},
    io::Errno,
};

use super::{OTHER, OWNER};
use crate::test::{Case, Named, Test};

pub(super) const TESTS: &[Named] = &[
    ("xattr.kinds", kinds),
    ("xattr.values", values),
    ("xattr.flags", flags),
    ("xattr.list", list),
    ("xattr.rooms", rooms),
    ("xattr.names", names),
    ("xattr.user", user),
    ("xattr.trusted", trusted),
    ("xattr.security", security),
    ("xattr.capability", capability),
];

fn kinds(t: &Test) -> Case {
    t.done("creat", syscalls::create(t.at("file"), 0o644))?;
    t.done("mkdir", syscalls::mkdir(t.at("dir"), 0o755))?;
    t.done("symlink", syscalls::symlink("file", t.at("link")))?;
    t.done(
        "mkfifo",
        syscalls::mknod(t.at("pipe"), FileType::Fifo, 0o644, 0),
    )?;
    for file in ["file", "dir", "link", "pipe"] {
        let path = t.at(file);
        for name in ["user.a", "trusted.a", "security.a"] {
            let what = format!("{name} of {file}");
            let answer = set_xattr(&path, name, b"value");
            let refused = match name {
                // Only regular files and directories have `user.*` attributes.
                "user.a" => file == "link" || file == "pipe",
                "trusted.a" => t.mount.manner.in_userns(),
                _ => false,
            };
            if refused {
                t.refused(&what, answer, Errno::PERM);
                t.refused(&what, get_xattr(&path, name), Errno::NODATA);
            } else {
                t.done(&what, answer)?;
                t.same(&what, get_xattr(&path, name), Ok(b"value".to_vec()));
                t.done(&what, remove_xattr(&path, name))?;
                t.refused(&what, get_xattr(&path, name), Errno::NODATA);
            }
        }
    }
    let fd = t.done("open", syscalls::open_ro(t.at("file")))?;
    let none = XattrFlags::empty();
    t.done(
        "fsetxattr",
        rustix::fs::fsetxattr(&fd, "user.f", b"v", none),
    )?;
    t.same(
        "by path",
        get_xattr(t.at("file"), "user.f"),
        Ok(b"v".to_vec()),
    );
    let followed = rustix::fs::setxattr(t.at("link"), "user.l", b"v", none);
    t.done("through a symlink", followed)?;
    t.same(
        "of the file",
        get_xattr(t.at("file"), "user.l"),
        Ok(b"v".to_vec()),
    );
    Ok(())
}

fn values(t: &Test) -> Case {
    let file = t.at("file");
    t.done("creat", syscalls::create(&file, 0o644))?;
    for length in [0, 1, 7, 100, 4096, 65536] {
        let value: Vec<u8> = (0..length).map(|index| index as u8).collect();
        t.done("set", set_xattr(&file, "user.v", &value))?;
        t.holds("get", get_xattr(&file, "user.v") == Ok(value));
    }
    let long = vec![0; 65537];
    t.refused(
        "65537 bytes",
        set_xattr(&file, "user.v", &long),
        Errno::TOOBIG,
    );
    t.done("link", syscalls::link(&file, t.at("other")))?;
    t.done("set", set_xattr(t.at("other"), "user.v", b"end"))?;
    t.same("one inode", get_xattr(&file, "user.v"), Ok(b"end".to_vec()));
    t.done("rename", syscalls::rename(&file, t.at("new")))?;
    t.same(
        "goes along",
        get_xattr(t.at("new"), "user.v"),
        Ok(b"end".to_vec()),
    );
    t.done("creat anew", syscalls::create(&file, 0o644))?;
    t.refused(
        "a new file has none",
        get_xattr(&file, "user.v"),
        Errno::NODATA,
    );
    Ok(())
}

fn flags(t: &Test) -> Case {
    let file = t.at("file");
    t.done("creat", syscalls::create(&file, 0o644))?;
    let (create, replace) = (XattrFlags::CREATE, XattrFlags::REPLACE);
    let set = |value: &[u8], flags| set_xattr_with(&file, "user.a", value, flags);
    t.refused("REPLACE of none", set(b"1", replace), Errno::NODATA);
    t.done("CREATE", set(b"2", create))?;
    t.refused("CREATE again", set(b"3", create), Errno::EXIST);
    t.same("as before", get_xattr(&file, "user.a"), Ok(b"2".to_vec()));
    t.done("REPLACE", set(b"4", replace))?;
    t.same("replaced", get_xattr(&file, "user.a"), Ok(b"4".to_vec()));
    let odd = XattrFlags::from_bits_retain(4);
    t.refused("an unknown flag", set(b"5", odd), Errno::INVAL);
    t.done("remove", remove_xattr(&file, "user.a"))?;
    t.refused(
        "remove of none",
        remove_xattr(&file, "user.a"),
        Errno::NODATA,
    );
    Ok(())
}

fn list(t: &Test) -> Case {
    let file = t.at("file");
    t.done("creat", syscalls::create(&file, 0o644))?;
    t.same("none", list_xattr(&file), Ok(Vec::new()));
    let mut expected = Vec::new();
    for number in 100..200 {
        let name = format!("user.number{number}");
        t.done(
            "set",
            set_xattr(&file, &name, number.to_string().as_bytes()),
        )?;
        expected.push(name);
    }
    t.same("all", list_xattr(&file), Ok(expected.clone()));
    for name in expected.iter().step_by(2) {
        t.done("remove", remove_xattr(&file, name))?;
    }
    let odd: Vec<String> = expected.into_iter().skip(1).step_by(2).collect();
    t.same("the rest", list_xattr(&file), Ok(odd));
    t.same(
        "values",
        get_xattr(&file, "user.number151"),
        Ok(b"151".to_vec()),
    );
    t.done("security", set_xattr(&file, "security.a", b""))?;
    let names = t.done("list", list_xattr(&file))?;
    t.same(
        "first in order",
        names.first().map(String::as_str),
        Some("security.a"),
    );
    Ok(())
}

fn rooms(t: &Test) -> Case {
    let file = t.at("file");
    t.done("creat", syscalls::create(&file, 0o644))?;
    t.done("set", set_xattr(&file, "user.abc", b"12345"))?;
    let size = rustix::fs::getxattr_query(&file, "user.abc");
    t.same("asked for the size", size, Ok(5));
    let answer = rustix::fs::getxattr(&file, "user.abc", &mut [0; 4]);
    t.refused("no room for the value", answer, Errno::RANGE);
    let size = rustix::fs::listxattr_query(&file);
    t.same("asked for the size", size, Ok(9));
    let answer = rustix::fs::listxattr(&file, &mut [0; 8]);
    t.refused("no room for the names", answer, Errno::RANGE);
    let mut exact = [0; 9];
    t.same(
        "room enough",
        rustix::fs::listxattr(&file, &mut exact),
        Ok(9),
    );
    t.same("names", &exact, b"user.abc\0");
    Ok(())
}

fn names(t: &Test) -> Case {
    let file = t.at("file");
    t.done("creat", syscalls::create(&file, 0o644))?;
    let long = format!("user.{}", "n".repeat(250));
    t.done("255 bytes", set_xattr(&file, &long, b"v"))?;
    t.same("found", get_xattr(&file, &long), Ok(b"v".to_vec()));
    let longer = format!("{long}n");
    t.refused("256 bytes", set_xattr(&file, &longer, b"v"), Errno::RANGE);
    t.refused("get", get_xattr(&file, &longer), Errno::RANGE);
    t.refused("empty", set_xattr(&file, "", b"v"), Errno::RANGE);
    t.refused(
        "only a prefix",
        set_xattr(&file, "user.", b"v"),
        Errno::INVAL,
    );
    t.refused(
        "no prefix",
        set_xattr(&file, "name", b"v"),
        Errno::OPNOTSUPP,
    );
    t.refused(
        "unknown prefix",
        set_xattr(&file, "other.a", b"v"),
        Errno::OPNOTSUPP,
    );
    t.refused("get of it", get_xattr(&file, "other.a"), Errno::OPNOTSUPP);
    t.refused(
        "remove of it",
        remove_xattr(&file, "other.a"),
        Errno::OPNOTSUPP,
    );
    t.refused(
        "unknown of system",
        set_xattr(&file, "system.a", b"v"),
        Errno::OPNOTSUPP,
    );
    t.refused(
        "of nothing",
        set_xattr(t.at("no"), "user.a", b"v"),
        Errno::NOENT,
    );
    t.refused("list of nothing", list_xattr(t.at("no")), Errno::NOENT);
    Ok(())
}

fn user(t: &Test) -> Case {
    let file = t.at("file");
    t.done("creat", syscalls::create(&file, 0o644))?;
    t.done("give", give(&file, OWNER))?;
    let set = || set_xattr(&file, "user.a", b"v");
    let get = || get_xattr(&file, "user.a");
    t.done("by the owner", as_user(OWNER, set))?;
    t.refused("set by a reader", as_user(OTHER, set), Errno::ACCESS);
    t.same("get by a reader", as_user(OTHER, get), Ok(b"v".to_vec()));
    let answer = as_user(OTHER, || remove_xattr(&file, "user.a"));
    t.refused("remove by a reader", answer, Errno::ACCESS);
    t.done("chmod", chmod(&file, 0o602))?;
    t.done("set by a writer", as_user(OTHER, set))?;
    t.refused("get without right", as_user(OTHER, get), Errno::ACCESS);
    t.done(
        "the names all may see",
        as_user(OTHER, || list_xattr(&file)),
    )?;
    // In a sticky directory only its owner sets attributes of the directory.
    t.done("mkdir", syscalls::mkdir(t.at("dir"), 0o755))?;
    t.done("give", give(t.at("dir"), OWNER))?;
    t.done("chmod", chmod(t.at("dir"), 0o1777))?;
    let set = || set_xattr(t.at("dir"), "user.a", b"v");
    t.refused("of a sticky directory", as_user(OTHER, set), Errno::PERM);
    t.done("by its owner", as_user(OWNER, set))?;
    Ok(())
}

fn trusted(t: &Test) -> Case {
    let file = t.at("file");
    t.done("creat", syscalls::create(&file, 0o666))?;
    t.done("give", give(&file, OWNER))?;
    let set = || set_xattr(&file, "trusted.a", b"v");
    t.refused("set by the owner", as_user(OWNER, set), Errno::PERM);
    if t.mount.manner.in_userns() {
        t.refused("set by its root", set(), Errno::PERM);
        return Ok(());
    }
    t.done("set by root", set())?;
    let seen = t.done("list by root", list_xattr(&file))?;
    t.same("shown to root", seen, vec!["trusted.a".to_owned()]);
    let seen = as_user(OWNER, || list_xattr(&file));
    t.same("hidden from the owner", seen, Ok(Vec::new()));
    let answer = as_user(OWNER, || get_xattr(&file, "trusted.a"));
    t.refused("get by the owner", answer, Errno::NODATA);
    let answer = as_user(OWNER, || remove_xattr(&file, "trusted.a"));
    t.refused("remove by the owner", answer, Errno::PERM);
    Ok(())
}

fn security(t: &Test) -> Case {
    let file = t.at("file");
    t.done("creat", syscalls::create(&file, 0o644))?;
    t.done("give", give(&file, OWNER))?;
    let set = || set_xattr(&file, "security.a", b"v");
    t.refused("set by the owner", as_user(OWNER, set), Errno::PERM);
    t.done("set by root", set())?;
    let get = as_user(OTHER, || get_xattr(&file, "security.a"));
    t.same("get by anybody", get, Ok(b"v".to_vec()));
    let seen = as_user(OTHER, || list_xattr(&file));
    t.same("listed", seen, Ok(vec!["security.a".to_owned()]));
    let answer = as_user(OWNER, || remove_xattr(&file, "security.a"));
    t.refused("remove by the owner", answer, Errno::PERM);
    t.done("remove by root", remove_xattr(&file, "security.a"))?;
    Ok(())
}

/// `cap_net_raw` as version 2 of `linux/capability.h`: permitted and effective.
pub(super) const CAPABILITY: [u8; 20] = [
    1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
];

/// File capabilities, which a change of owner or contents drops.
fn capability(t: &Test) -> Case {
    let file = t.at("file");
    let name = "security.capability";
    t.done("creat", syscalls::create(&file, 0o755))?;
    let set = || set_xattr(&file, name, &CAPABILITY);
    t.done("set", set())?;
    t.same(
        "as it was set",
        get_xattr(&file, name),
        Ok(CAPABILITY.to_vec()),
    );
    t.done("write", syscalls::write_file(&file, b"text"))?;
    t.refused("dropped by writing", get_xattr(&file, name), Errno::NODATA);
    t.done("set", set())?;
    t.done("chown", give(&file, OWNER))?;
    t.refused("dropped by chown", get_xattr(&file, name), Errno::NODATA);
    t.done("set", set())?;
    t.done("truncate", syscalls::truncate(&file, 1))?;
    t.refused("dropped by truncate", get_xattr(&file, name), Errno::NODATA);
    t.done("set", set())?;
    t.done("chmod", chmod(&file, 0o700))?;
    t.done("stays at chmod", get_xattr(&file, name))?;
    t.refused("set by the owner", as_user(OWNER, set), Errno::PERM);
    t.refused(
        "short",
        set_xattr(&file, name, &CAPABILITY[..8]),
        Errno::INVAL,
    );
    Ok(())
}
