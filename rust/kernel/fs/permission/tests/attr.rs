// SPDX-License-Identifier: GPL-2.0

//! Changes of attributes.

use super::*;
use crate::{
    fs::{
        inode::AnyInode,
        mode::{
            Mask,
            Mode,
            Valid, //
        },
        permission::{
            CheckError,
            IattrValues, //
        },
    },
    uidgid::Id, //
};

/// A field that a change has, for `may_setattr()`.
fn valid(draw: u32) -> c_uint {
    [
        bindings::ATTR_MODE,
        bindings::ATTR_UID,
        bindings::ATTR_TIMES_SET,
        bindings::ATTR_TOUCH,
        bindings::ATTR_TOUCH,
        bindings::ATTR_SIZE,
    ][draw as usize % 6]
}

/// The values of C's `struct iattr`.
fn values(attr: &bindings::iattr) -> IattrValues {
    // SAFETY: The members of each union are one integer.
    let (vfsuid, vfsgid) = unsafe {
        (
            attr.__bindgen_anon_1.ia_vfsuid.val,
            attr.__bindgen_anon_2.ia_vfsgid.val,
        )
    };
    IattrValues {
        valid: Valid::new(attr.ia_valid),
        mode: Mode::new(attr.ia_mode),
        vfsuid: Id::from_c(vfsuid),
        vfsgid: Id::from_c(vfsgid),
    }
}

/// Compares two functions on random changes: the second runs in C.
fn compare_changes(
    seed: u64,
    function: &str,
    rust: impl Fn(&Fixture, &mut bindings::iattr) -> [u32; 4],
    c: impl Fn(&Fixture, &mut bindings::iattr) -> [u32; 4],
) -> Result<Tally> {
    let mut fixture = Fixture::new(seed)?;
    let mut tally = Tally::default();
    for _ in 0..ROUNDS {
        for relation in 0..Fixture::RELATIONS {
            let mode = fixture.any_kind() | fixture.below(0o10000);
            fixture.shuffle(relation, mode as u16)?;
            let change = fixture.any_change();
            let (mut one, mut other) = (change, change);
            let in_rust = run(|| rust(&fixture, &mut one));
            let in_c = run_c(|| c(&fixture, &mut other));
            tally.compare(&fixture, function, in_rust, in_c);
        }
    }
    Ok(tally)
}

/// Calls `inode_permission()`, as the functions that stay in C do.
fn inode_permission(fixture: &Fixture, mask: Mask) -> Result<(), CheckError> {
    // SAFETY: All objects of the fixture are valid.
    CheckError::from_c(unsafe {
        bindings::inode_permission(fixture.idmap(), fixture.inode(), mask.bits() as c_int)
    })
}

#[kunit_tests(rust_fs_permission_attr)]
mod suite {
    use super::*;

    #[test]
    fn setattr_should_drop_sgid() -> Result {
        let name = "setattr_should_drop_sgid";
        // SAFETY: All objects of the fixture are valid.
        let tally = compare(10, name, |fixture, _| unsafe {
            let (idmap, inode) = (fixture.idmap(), fixture.inode());
            returned(bindings::setattr_should_drop_sgid(idmap, inode))
        })?;
        assert!(tally.holds_with_capabilities(name));
        Ok(())
    }

    #[test]
    fn setattr_should_drop_suidgid() -> Result {
        let name = "setattr_should_drop_suidgid";
        // SAFETY: All objects of the fixture are valid.
        let tally = compare(11, name, |fixture, _| unsafe {
            let (idmap, inode) = (fixture.idmap(), fixture.inode());
            returned(bindings::setattr_should_drop_suidgid(idmap, inode))
        })?;
        assert!(tally.holds_with_capabilities(name));
        Ok(())
    }

    #[test]
    fn setattr_prepare() -> Result {
        let name = "setattr_prepare";
        let prepare = |fixture: &Fixture, attr: &mut bindings::iattr| {
            // SAFETY: All objects of the fixture are valid.
            let error = unsafe { bindings::setattr_prepare(fixture.idmap(), fixture.name(), attr) };
            [error as u32, attr.ia_mode.into(), attr.ia_valid, 0]
        };
        let tally = compare_changes(13, name, prepare, prepare)?;
        assert!(tally.holds_with_capabilities(name));
        Ok(())
    }

    /// The function stays in C.
    #[test]
    fn may_setattr() -> Result {
        let name = "may_setattr";
        let tally = compare_pair(
            12,
            name,
            |fixture, draw| {
                // SAFETY: All objects of the fixture are valid.
                let inode = unsafe { AnyInode::from_raw(fixture.inode()) };
                // SAFETY: The credentials of the fixture are those of this thread.
                let access = unsafe { access(fixture) };
                let valid = Valid::new(valid(draw));
                returned(CheckError::to_c(access.may_setattr(inode, valid, |mask| {
                    inode_permission(fixture, mask)
                })))
            },
            // SAFETY: All objects of the fixture are valid.
            |fixture, draw| unsafe {
                let (idmap, inode) = (fixture.idmap(), fixture.inode());
                returned(bindings::may_setattr(idmap, inode, valid(draw)))
            },
        )?;
        assert!(tally.holds_with_capabilities(name));
        Ok(())
    }

    /// The function stays in C. It ends with the filesystem's `->setattr()`, which returns an
    /// error of its own.
    #[test]
    fn notify_change() -> Result {
        let name = "notify_change";
        /// The fields that are checked in both, and one that is not checked.
        fn fields(attr: &mut bindings::iattr) {
            attr.ia_valid &= bindings::ATTR_UID
                | bindings::ATTR_GID
                | bindings::ATTR_TIMES_SET
                | bindings::ATTR_TOUCH;
            attr.ia_valid |= bindings::ATTR_CTIME;
        }
        let tally = compare_changes(
            14,
            name,
            |fixture, attr| {
                fields(attr);
                let attr = values(attr);
                // SAFETY: All objects of the fixture are valid.
                let inode = unsafe { AnyInode::from_raw(fixture.inode()) };
                // SAFETY: The credentials of the fixture are those of this thread.
                let access = unsafe { access(fixture) };
                let error = access
                    .may_setattr(inode, attr.valid, |mask| inode_permission(fixture, mask))
                    .and_then(|()| access.notify_change_ids(inode, &attr));
                returned(match error {
                    Ok(()) => -(bindings::EALREADY as c_int),
                    Err(error) => error.to_errno(),
                })
            },
            |fixture, attr| {
                fields(attr);
                // SAFETY: All objects of the fixture are valid.
                returned(unsafe {
                    bindings::kunit_notify_change(fixture.idmap(), fixture.name(), attr)
                })
            },
        )?;
        assert!(tally.holds_with_capabilities(name));
        Ok(())
    }

    /// The function stays in C.
    #[test]
    fn setattr_copy() -> Result {
        let name = "setattr_copy";
        let tally = compare_changes(
            15,
            name,
            |fixture, attr| {
                // SAFETY: All objects of the fixture are valid.
                let inode = unsafe { AnyInode::from_raw(fixture.inode()) };
                // SAFETY: The credentials of the fixture are those of this thread.
                let access = unsafe { access(fixture) };
                let new = access.setattr_copy(inode, &values(attr));
                let (owner, group) = (Id::to_c(new.owner), Id::to_c(new.group));
                [0, owner, group, new.mode.bits().into()]
            },
            |fixture, attr| {
                let (idmap, inode) = (fixture.idmap(), fixture.inode());
                // SAFETY: All objects of the fixture are valid.
                unsafe {
                    let before = ((*inode).i_uid, (*inode).i_gid, (*inode).i_mode);
                    bindings::setattr_copy(idmap, inode, attr);
                    let after = ((*inode).i_uid.val, (*inode).i_gid.val, (*inode).i_mode);
                    ((*inode).i_uid, (*inode).i_gid, (*inode).i_mode) = before;
                    [0, after.0, after.1, after.2.into()]
                }
            },
        )?;
        assert!(tally.holds_with_capabilities(name));
        Ok(())
    }

    /// The functions are inline in C.
    #[test]
    fn i_uid_needs_update() -> Result {
        let name = "i_uid_needs_update";
        let tally = compare_changes(
            21,
            name,
            |fixture, attr| {
                // SAFETY: All objects of the fixture are valid.
                let inode = unsafe { AnyInode::from_raw(fixture.inode()) };
                // SAFETY: The credentials of the fixture are those of this thread.
                let access = unsafe { access(fixture) };
                let user = access.i_uid_needs_update(inode, &values(attr));
                let group = access.i_gid_needs_update(inode, &values(attr));
                [user.into(), group.into(), 0, 0]
            },
            // SAFETY: All objects of the fixture are valid.
            |fixture, attr| unsafe {
                let (idmap, inode) = (fixture.idmap(), fixture.inode());
                let user = bindings::kunit_i_uid_needs_update(idmap, attr, inode);
                let group = bindings::kunit_i_gid_needs_update(idmap, attr, inode);
                [user.into(), group.into(), 0, 0]
            },
        )?;
        assert!(tally.holds(name));
        Ok(())
    }
}
