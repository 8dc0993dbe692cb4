// SPDX-License-Identifier: GPL-2.0

//! POSIX access control lists, access and default, and how they are inherited.

use std::path::Path;

use kselftest::acl::{self, ACCESS, DEFAULT, GROUP_OBJ, MASK, NO_ID, USER_OBJ};
use kselftest::credentials::as_member;
use kselftest::credentials::as_user;
use kselftest::errno::SyscallResult;
use kselftest::syscalls;
use kselftest::syscalls::chmod;
use kselftest::syscalls::get_xattr;
use kselftest::syscalls::give;
use kselftest::syscalls::remove_xattr;
use kselftest::syscalls::set_xattr;
use rustix::{
    fs::{FileType, OFlags as O},
    io::Errno,
};

use super::{GROUP, OTHER, OWNER};
use crate::test::{Case, Named, Test};

pub(super) const TESTS: &[Named] = &[
    ("acl.access", access),
    ("acl.rights", rights),
    ("acl.and_mode", and_mode),
    ("acl.inherited", inherited),
    ("acl.inherited_by_directories", inherited_by_directories),
    ("acl.setgid", setgid),
    ("acl.stored", stored),
    ("acl.refused", refused),
];

/// `rwx` for the owner, these for user `OTHER` and group `GROUP`, `mask`, none for others.
fn with_names(user: u16, group: u16, mask: u16) -> Vec<u8> {
    acl::encode(&[
        (USER_OBJ, 7, NO_ID),
        (acl::USER, user, OTHER),
        (GROUP_OBJ, 0, NO_ID),
        (acl::GROUP, group, GROUP),
        (MASK, mask, NO_ID),
        (acl::OTHER, 0, NO_ID),
    ])
}

/// Sets an access list on a file.
pub(super) fn set_some(path: &Path) -> SyscallResult<()> {
    set_xattr(path, ACCESS, &with_names(6, 4, 6))
}

/// Sets a default list on a directory.
pub(super) fn set_some_default(path: &Path) -> SyscallResult<()> {
    set_xattr(path, DEFAULT, &with_names(6, 4, 6))
}

fn access(t: &Test) -> Case {
    let file = t.at("file");
    t.done("creat", syscalls::create(&file, 0o644))?;
    t.refused("none", get_xattr(&file, ACCESS), Errno::NODATA);
    let list = with_names(6, 4, 6);
    t.done("set", set_xattr(&file, ACCESS, &list))?;
    t.same("get", get_xattr(&file, ACCESS), Ok(list));
    t.same("the mode shows the mask", syscalls::mode(&file), Ok(0o760));
    t.same(
        "listed",
        syscalls::list_xattr(&file),
        Ok(vec![ACCESS.to_owned()]),
    );
    let least = [
        (USER_OBJ, 6, NO_ID),
        (GROUP_OBJ, 4, NO_ID),
        (acl::OTHER, 4, NO_ID),
    ];
    t.done(
        "no more than a mode",
        set_xattr(&file, ACCESS, &acl::encode(&least)),
    )?;
    t.same("becomes the mode", syscalls::mode(&file), Ok(0o644));
    t.refused("and is no list", get_xattr(&file, ACCESS), Errno::NODATA);
    t.done("set", set_xattr(&file, ACCESS, &with_names(6, 4, 6)))?;
    t.done("remove", remove_xattr(&file, ACCESS))?;
    t.refused("gone", get_xattr(&file, ACCESS), Errno::NODATA);
    t.same("the mode stays", syscalls::mode(&file), Ok(0o760));
    t.done("remove of none", remove_xattr(&file, ACCESS))?;
    Ok(())
}

fn rights(t: &Test) -> Case {
    let file = t.at("file");
    t.done("creat", syscalls::create(&file, 0o644))?;
    t.done("give", give(&file, OWNER))?;
    let answer = as_user(OWNER, || set_xattr(&file, ACCESS, &with_names(6, 4, 7)));
    t.done("set by the owner", answer)?;
    let read = || syscalls::open(&file, O::RDONLY, 0).map(drop);
    let write = || syscalls::open(&file, O::WRONLY, 0).map(drop);
    t.done("named user reads", as_user(OTHER, read))?;
    t.done("and writes", as_user(OTHER, write))?;
    t.done("named group reads", as_member(GROUP + 1, &[GROUP], read))?;
    let answer = as_member(GROUP + 1, &[GROUP], write);
    t.refused("and does not write", answer, Errno::ACCESS);
    let answer = as_member(GROUP + 1, &[OWNER], read);
    t.refused("the owner's group", answer, Errno::ACCESS);
    t.refused("others", as_user(GROUP + 1, read), Errno::ACCESS);
    // A user with an entry gets no more by a group's.
    let less = with_names(0, 7, 7);
    t.done("set", set_xattr(&file, ACCESS, &less))?;
    let answer = as_member(OTHER, &[GROUP], read);
    t.refused("the user's entry counts", answer, Errno::ACCESS);
    t.done("set", set_xattr(&file, ACCESS, &with_names(7, 7, 4)))?;
    t.done("within the mask", as_user(OTHER, read))?;
    t.refused("beyond the mask", as_user(OTHER, write), Errno::ACCESS);
    t.done("the owner is not bound by it", as_user(OWNER, write))?;
    let answer = as_user(OTHER, || set_xattr(&file, ACCESS, &with_names(7, 7, 7)));
    t.refused("set by another", answer, Errno::PERM);
    let answer = as_user(OTHER, || remove_xattr(&file, ACCESS));
    t.refused("remove by another", answer, Errno::PERM);
    Ok(())
}

fn and_mode(t: &Test) -> Case {
    let file = t.at("file");
    t.done("creat", syscalls::create(&file, 0o644))?;
    t.done("set", set_xattr(&file, ACCESS, &with_names(6, 4, 6)))?;
    t.done("chmod", chmod(&file, 0o517))?;
    let expected = acl::encode(&[
        (USER_OBJ, 5, NO_ID),
        (acl::USER, 6, OTHER),
        (GROUP_OBJ, 0, NO_ID),
        (acl::GROUP, 4, GROUP),
        (MASK, 1, NO_ID),
        (acl::OTHER, 7, NO_ID),
    ]);
    t.same(
        "changes the mask",
        get_xattr(&file, ACCESS),
        Ok(expected.clone()),
    );
    t.same("mode", syscalls::mode(&file), Ok(0o517));
    t.done("chown", give(&file, OWNER))?;
    t.same("stays at chown", get_xattr(&file, ACCESS), Ok(expected));
    Ok(())
}

fn inherited(t: &Test) -> Case {
    let list = with_names(7, 5, 7);
    t.done("set", set_xattr(t.dir(), DEFAULT, &list))?;
    t.same("get", get_xattr(t.dir(), DEFAULT), Ok(list));
    t.same("the mode stays", syscalls::mode(t.dir()), Ok(0o755));
    let names = vec![DEFAULT.to_owned()];
    t.same("listed", syscalls::list_xattr(t.dir()), Ok(names));
    // The umask is not applied, the mode argument is.
    t.done("creat", syscalls::create(t.at("file"), 0o666))?;
    t.done(
        "mknod",
        syscalls::mknod(t.at("pipe"), FileType::Fifo, 0o666, 0),
    )?;
    let fd = syscalls::open(t.dir(), O::TMPFILE | O::RDWR, 0o666);
    let fd = t.done("O_TMPFILE", fd)?;
    t.done("linkat", syscalls::link_open(&fd, t.at("tmpfile")))?;
    let expected = acl::encode(&[
        (USER_OBJ, 6, NO_ID),
        (acl::USER, 7, OTHER),
        (GROUP_OBJ, 0, NO_ID),
        (acl::GROUP, 5, GROUP),
        (MASK, 6, NO_ID),
        (acl::OTHER, 0, NO_ID),
    ]);
    for name in ["file", "pipe", "tmpfile"] {
        t.same(name, get_xattr(t.at(name), ACCESS), Ok(expected.clone()));
        t.same("mode", syscalls::mode(t.at(name)), Ok(0o660));
        t.refused("no default", get_xattr(t.at(name), DEFAULT), Errno::NODATA);
    }
    t.done("symlink", syscalls::symlink("x", t.at("link")))?;
    let answer = get_xattr(t.at("link"), ACCESS);
    t.refused("a symlink has none", answer, Errno::OPNOTSUPP);
    let least = [
        (USER_OBJ, 6, NO_ID),
        (GROUP_OBJ, 4, NO_ID),
        (acl::OTHER, 0, NO_ID),
    ];
    t.done("set", set_xattr(t.dir(), DEFAULT, &acl::encode(&least)))?;
    t.done("creat", syscalls::create(t.at("plain"), 0o666))?;
    t.same("as a mode", syscalls::mode(t.at("plain")), Ok(0o640));
    t.refused("no list", get_xattr(t.at("plain"), ACCESS), Errno::NODATA);
    t.done("remove", remove_xattr(t.dir(), DEFAULT))?;
    t.done("creat", syscalls::create(t.at("last"), 0o666))?;
    t.same("umask again", syscalls::mode(t.at("last")), Ok(0o644));
    Ok(())
}

fn inherited_by_directories(t: &Test) -> Case {
    let list = with_names(7, 5, 7);
    t.done("set", set_xattr(t.dir(), DEFAULT, &list))?;
    t.done("mkdir", syscalls::mkdir(t.at("dir"), 0o750))?;
    t.same("default", get_xattr(t.at("dir"), DEFAULT), Ok(list.clone()));
    let expected = acl::encode(&[
        (USER_OBJ, 7, NO_ID),
        (acl::USER, 7, OTHER),
        (GROUP_OBJ, 0, NO_ID),
        (acl::GROUP, 5, GROUP),
        (MASK, 5, NO_ID),
        (acl::OTHER, 0, NO_ID),
    ]);
    t.same("access", get_xattr(t.at("dir"), ACCESS), Ok(expected));
    t.same("mode", syscalls::mode(t.at("dir")), Ok(0o750));
    t.done("mkdir", syscalls::mkdir(t.at("dir/sub"), 0o777))?;
    t.same("two down", get_xattr(t.at("dir/sub"), DEFAULT), Ok(list));
    let answer = as_user(OTHER, || syscalls::create(t.at("dir/f"), 0o644));
    t.refused("beyond the mask", answer, Errno::ACCESS);
    let answer = as_user(OTHER, || syscalls::create(t.at("dir/sub/f"), 0o644));
    t.done("the named user makes a file", answer)?;
    let owner = syscalls::owner(t.at("dir/sub/f"));
    t.same("its owner", owner, Ok((OTHER, OTHER)));
    Ok(())
}

/// Setting an ACL clears the set-group-id bit if the caller is not in the group.
fn setgid(t: &Test) -> Case {
    let file = t.at("file");
    t.done("creat", syscalls::create(&file, 0o755))?;
    t.done("chown", syscalls::chown(&file, Some(OWNER), Some(GROUP)))?;
    let set = || set_xattr(&file, ACCESS, &with_names(6, 4, 7));
    t.done("chmod", chmod(&file, 0o2755))?;
    t.done("by a member", as_member(OWNER, &[GROUP], set))?;
    t.same("kept", syscalls::mode(&file), Ok(0o2770));
    t.done("by the owner, no member", as_user(OWNER, set))?;
    t.same("dropped", syscalls::mode(&file), Ok(0o770));
    Ok(())
}

/// The ids in a list are seen through the mount, too.
fn stored(t: &Test) -> Case {
    let file = t.at("file");
    t.done("creat", syscalls::create(&file, 0o644))?;
    t.done("set", set_xattr(&file, ACCESS, &with_names(6, 4, 6)))?;
    let (user, group) = (t.mount.stored_id(OTHER), t.mount.stored_id(GROUP));
    let expected = acl::encode(&[
        (USER_OBJ, 7, NO_ID),
        (acl::USER, 6, user),
        (GROUP_OBJ, 0, NO_ID),
        (acl::GROUP, 4, group),
        (MASK, 6, NO_ID),
        (acl::OTHER, 0, NO_ID),
    ]);
    let seen = get_xattr(t.mount.stored(&file), ACCESS);
    t.same("as stored", seen, Ok(expected));
    Ok(())
}

fn refused(t: &Test) -> Case {
    let file = t.at("file");
    t.done("creat", syscalls::create(&file, 0o644))?;
    t.done("symlink", syscalls::symlink("file", t.at("link")))?;
    let list = with_names(6, 4, 6);
    let answer = set_xattr(&file, DEFAULT, &list);
    t.refused("default of a file", answer, Errno::ACCESS);
    t.refused("its default", get_xattr(&file, DEFAULT), Errno::NODATA);
    let answer = set_xattr(t.at("link"), ACCESS, &list);
    t.refused("of a symlink", answer, Errno::OPNOTSUPP);
    t.refused(
        "version 2 alone",
        set_xattr(&file, ACCESS, &list[..3]),
        Errno::INVAL,
    );
    t.refused(
        "a cut entry",
        set_xattr(&file, ACCESS, &list[..13]),
        Errno::INVAL,
    );
    let mut other = list.clone();
    other[0] = 3;
    t.refused(
        "another version",
        set_xattr(&file, ACCESS, &other),
        Errno::OPNOTSUPP,
    );
    let user_obj = (USER_OBJ, 6, NO_ID);
    let group_obj = (GROUP_OBJ, 4, NO_ID);
    let others = (acl::OTHER, 4, NO_ID);
    let wrong: [(&str, &[acl::Entry]); 6] = [
        (
            "no mask",
            &[user_obj, (acl::USER, 6, OTHER), group_obj, others],
        ),
        ("no others", &[user_obj, group_obj]),
        ("out of order", &[group_obj, user_obj, others]),
        ("two owners", &[user_obj, user_obj, group_obj, others]),
        (
            "unknown tag",
            &[user_obj, group_obj, (0x40, 4, NO_ID), others],
        ),
        ("unknown right", &[user_obj, (GROUP_OBJ, 8, NO_ID), others]),
    ];
    for (what, entries) in wrong {
        t.refused(
            what,
            set_xattr(&file, ACCESS, &acl::encode(entries)),
            Errno::INVAL,
        );
    }
    t.same("as before", syscalls::mode(&file), Ok(0o644));
    t.refused("nothing set", get_xattr(&file, ACCESS), Errno::NODATA);
    Ok(())
}
