// SPDX-License-Identifier: GPL-2.0

//! Names, links, and sticky directories.

use super::*;
use crate::{
    fs::{
        inode::AnyInode,
        mode::{
            InodeFlags,
            Mask,
            Mode, //
        },
        permission::{
            CheckError,
            CheckResult,
            InodeAttrs,
            Parent,
            Protected, //
        },
    },
    uidgid::Id, //
};

/// The directory of a path walk, by its mode and owner.
fn parent(draw: u32) -> (bindings::umode_t, bindings::vfsuid_t) {
    let mode = [0o1777, 0o1775, 0o1755, 0o777, 0o7777][draw as usize % 5];
    let owner = [1000, 5000, 3000, u32::MAX][draw as usize / 5 % 4];
    let vfsuid = bindings::vfsuid_t { val: owner };
    (bindings::S_IFDIR as u16 | mode, vfsuid)
}

/// The same directory for the functions in Rust.
fn parent_in_rust(draw: u32) -> Parent {
    let (mode, owner) = parent(draw);
    Parent {
        mode: Mode::new(mode),
        owner: Id::from_c(owner.val),
    }
}

/// Calls `inode_permission()`, as the functions that stay in C do.
fn permission(fixture: &Fixture, inode: *mut bindings::inode, mask: Mask) -> CheckResult {
    // SAFETY: All objects of the fixture are valid.
    CheckError::from_c(unsafe {
        bindings::inode_permission(fixture.idmap(), inode, mask.bits() as c_int)
    })
}

#[kunit_tests(rust_fs_permission_namei)]
mod suite {
    use super::*;

    #[test]
    fn check_sticky() -> Result {
        let name = "__check_sticky";
        // SAFETY: All objects of the fixture are valid.
        let tally = compare(16, name, |fixture, _| unsafe {
            let (idmap, inode) = (fixture.idmap(), fixture.inode());
            returned(bindings::__check_sticky(idmap, fixture.dir(), inode))
        })?;
        assert!(tally.holds_with_capabilities(name));
        Ok(())
    }

    /// The function stays in C. After the checks on ids it compares types of files, which are as
    /// the caller expects here, and fails for a removed directory.
    #[test]
    fn may_delete_dentry() -> Result {
        let name = "may_delete_dentry";
        let tally = compare_pair(
            17,
            name,
            |fixture, _| {
                // SAFETY: All objects of the fixture are valid.
                let (dir, inode) = unsafe {
                    let dir = AnyInode::from_raw(fixture.dir());
                    (dir, AnyInode::from_raw(fixture.inode()))
                };
                // SAFETY: The credentials of the fixture are those of this thread.
                let access = unsafe { access(fixture) };
                let error = access.may_delete(dir, inode, || {
                    let mask = Mask::MAY_WRITE.with(Mask::MAY_EXEC);
                    permission(fixture, fixture.dir(), mask)
                });
                returned(CheckError::to_c(error.and_then(|()| {
                    if dir.flags().has(InodeFlags::S_DEAD) {
                        return Err(CheckError::ENOENT);
                    }
                    Ok(())
                })))
            },
            // SAFETY: All objects of the fixture are valid.
            |fixture, _| unsafe {
                let mode = u32::from((*fixture.inode()).i_mode);
                returned(bindings::may_delete_dentry(
                    fixture.idmap(),
                    fixture.dir(),
                    fixture.name(),
                    mode & bindings::S_IFMT == bindings::S_IFDIR,
                ))
            },
        )?;
        assert!(tally.holds_with_capabilities(name));
        Ok(())
    }

    /// The function stays in C.
    #[test]
    fn may_linkat() -> Result {
        let name = "may_linkat";
        let tally = compare_pair(
            23,
            name,
            |fixture, draw| {
                // SAFETY: All objects of the fixture are valid.
                let inode = unsafe { AnyInode::from_raw(fixture.inode()) };
                // SAFETY: The credentials of the fixture are those of this thread.
                let access = unsafe { access(fixture) };
                returned(CheckError::to_c(access.may_linkat(
                    inode,
                    draw % 4 != 0,
                    |mask| permission(fixture, fixture.inode(), mask),
                )))
            },
            // SAFETY: All objects of the fixture are valid.
            |fixture, draw| unsafe {
                let (idmap, name) = (fixture.idmap(), fixture.name());
                returned(bindings::kunit_may_linkat(idmap, name, draw % 4 != 0))
            },
        )?;
        assert!(tally.holds_with_capabilities(name));
        Ok(())
    }

    /// The function stays in C.
    #[test]
    fn may_follow_link() -> Result {
        let name = "may_follow_link";
        let tally = compare_pair(
            19,
            name,
            |fixture, draw| {
                // SAFETY: All objects of the fixture are valid.
                let link = unsafe { AnyInode::from_raw(fixture.inode()) };
                // SAFETY: The credentials of the fixture are those of this thread.
                let access = unsafe { access(fixture) };
                returned(CheckError::to_c(access.may_follow_link(
                    link,
                    parent_in_rust(draw),
                    draw / 20 % 4 != 0,
                    draw / 80 % 2 != 0,
                )))
            },
            |fixture, draw| {
                let (mode, owner) = parent(draw);
                // SAFETY: All objects of the fixture are valid.
                returned(unsafe {
                    bindings::kunit_may_follow_link(
                        fixture.idmap(),
                        fixture.name(),
                        mode,
                        owner,
                        draw / 20 % 4 != 0,
                        draw / 80 % 2 != 0,
                    )
                })
            },
        )?;
        assert!(tally.holds(name));
        Ok(())
    }

    /// The function stays in C.
    #[test]
    fn may_create_in_sticky() -> Result {
        let name = "may_create_in_sticky";
        let protected = |draw: u32| ((draw / 20 % 3) as c_int, (draw / 60 % 3) as c_int);
        let tally = compare_pair(
            24,
            name,
            |fixture, draw| {
                let (regular, fifos) = protected(draw);
                // SAFETY: All objects of the fixture are valid.
                let inode = unsafe { AnyInode::from_raw(fixture.inode()) };
                // SAFETY: The credentials of the fixture are those of this thread.
                let access = unsafe { access(fixture) };
                let protected = Protected { regular, fifos };
                let error = access.may_create_in_sticky(inode, parent_in_rust(draw), protected);
                returned(CheckError::to_c(error.map_err(CheckError::from)))
            },
            |fixture, draw| {
                let ((mode, owner), (regular, fifos)) = (parent(draw), protected(draw));
                let (idmap, inode) = (fixture.idmap(), fixture.inode());
                // SAFETY: All objects of the fixture are valid.
                returned(unsafe {
                    bindings::kunit_may_create_in_sticky(idmap, inode, mode, owner, regular, fifos)
                })
            },
        )?;
        assert!(tally.holds(name));
        Ok(())
    }

    /// The function stays in C.
    #[test]
    fn may_write_xattr() -> Result {
        let name = "may_write_xattr";
        let tally = compare_pair(
            25,
            name,
            // SAFETY: All objects of the fixture are valid.
            |fixture, _| unsafe {
                let inode = AnyInode::from_raw(fixture.inode());
                returned(CheckError::to_c(access(fixture).may_write_xattr(inode)))
            },
            // SAFETY: All objects of the fixture are valid.
            |fixture, _| unsafe {
                returned(bindings::may_write_xattr(fixture.idmap(), fixture.inode()))
            },
        )?;
        assert!(tally.holds(name));
        Ok(())
    }
}
