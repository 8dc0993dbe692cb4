// SPDX-License-Identifier: GPL-2.0

//! Changes of attributes.

use super::*;
use crate::{
    fs::{
        inode::AnyInode,
        mode::{
            Mode,
            Valid, //
        },
        permission::IattrValues, //
    },
    uidgid::Id, //
};

/// What is to be changed.
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

/// Asks both engines about a change: `ask_one` gets the world, the change, and whether it is ours
/// that is asked.
fn compare_changes(
    seed: u64,
    what: &str,
    ask_one: impl Fn(&World, *mut bindings::iattr, bool) -> [u32; 4],
) -> Result<Tally> {
    let mut world = World::new(seed)?;
    let mut tally = Tally::default();
    for _ in 0..ROUNDS {
        for relation in 0..World::RELATIONS {
            let mode = world.any_kind() | world.below(0o10000);
            world.shuffle(relation, mode as u16)?;
            let change = world.any_change();
            let [ours, theirs] = [true, false].map(|ours| {
                let mut change = change;
                ask(|| ask_one(&world, &mut change, ours))
            });
            tally.compare(&world, what, ours, theirs);
        }
    }
    Ok(tally)
}

#[kunit_tests(rust_fs_access_attr)]
mod suite {
    use super::*;

    #[test]
    fn setattr_should_drop_sgid() -> Result {
        let tally = compare(
            10,
            "setattr_should_drop_sgid",
            // SAFETY: All of the world is valid.
            |world, _| unsafe {
                only(bindings::setattr_should_drop_sgid(
                    world.idmap(),
                    world.inode(),
                ))
            },
            // SAFETY: As above.
            |world, _| unsafe {
                only(bindings::oracle_setattr_should_drop_sgid(
                    world.idmap(),
                    world.inode(),
                ))
            },
        )?;
        assert!(tally.holds("setattr_should_drop_sgid"));
        assert!(tally.used > 100);
        Ok(())
    }

    #[test]
    fn setattr_should_drop_suidgid() -> Result {
        let tally = compare(
            11,
            "setattr_should_drop_suidgid",
            // SAFETY: All of the world is valid.
            |world, _| unsafe {
                only(bindings::setattr_should_drop_suidgid(
                    world.idmap(),
                    world.inode(),
                ))
            },
            // SAFETY: As above.
            |world, _| unsafe {
                only(bindings::oracle_setattr_should_drop_suidgid(
                    world.idmap(),
                    world.inode(),
                ))
            },
        )?;
        assert!(tally.holds("setattr_should_drop_suidgid"));
        assert!(tally.used > 100);
        Ok(())
    }

    #[test]
    fn may_setattr() -> Result {
        let tally = compare(
            12,
            "may_setattr",
            // SAFETY: All of the world is valid.
            |world, draw| unsafe {
                only(bindings::may_setattr(
                    world.idmap(),
                    world.inode(),
                    valid(draw),
                ))
            },
            // SAFETY: As above.
            |world, draw| unsafe {
                only(bindings::oracle_may_setattr(
                    world.idmap(),
                    world.inode(),
                    valid(draw),
                ))
            },
        )?;
        assert!(tally.holds("may_setattr"));
        assert!(tally.used > 100);
        Ok(())
    }

    #[test]
    fn setattr_prepare() -> Result {
        let tally = compare_changes(13, "setattr_prepare", |world, attr, ours| {
            // SAFETY: All of the world is valid.
            unsafe {
                let prepare = if ours {
                    bindings::setattr_prepare
                } else {
                    bindings::oracle_setattr_prepare
                };
                let returned = prepare(world.idmap(), world.name(), attr);
                [returned as u32, (*attr).ia_mode.into(), (*attr).ia_valid, 0]
            }
        })?;
        assert!(tally.holds("setattr_prepare"));
        assert!(tally.used > 100);
        Ok(())
    }

    #[test]
    fn notify_change_ids() -> Result {
        let tally = compare_changes(14, "notify_change_ids", |world, attr, ours| {
            // SAFETY: All of the world is valid.
            unsafe {
                let (idmap, inode) = (world.idmap(), world.inode());
                only(if ours {
                    bindings::rust_notify_change_ids(idmap, inode, attr, world.cred())
                } else {
                    bindings::oracle_notify_change_ids(idmap, inode, attr, (*attr).ia_valid)
                })
            }
        })?;
        assert!(tally.holds("notify_change_ids"));
        Ok(())
    }

    /// Filesystems ask this, in C by functions that are inline.
    #[test]
    fn i_uid_needs_update() -> Result {
        let tally = compare_changes(21, "i_uid_needs_update", |world, attr, ours| {
            // SAFETY: All of the world is valid.
            let (user, group) = unsafe {
                let inode = world.inode();
                if ours {
                    let change = IattrValues {
                        valid: Valid::new((*attr).ia_valid),
                        mode: Mode::new((*attr).ia_mode),
                        vfsuid: Id::from_c((*attr).__bindgen_anon_1.ia_vfsuid.val),
                        vfsgid: Id::from_c((*attr).__bindgen_anon_2.ia_vfsgid.val),
                    };
                    let (task, inode) = (task(world), AnyInode::from_raw(inode));
                    (
                        task.i_uid_needs_update(inode, &change),
                        task.i_gid_needs_update(inode, &change),
                    )
                } else {
                    (
                        bindings::kunit_i_uid_needs_update(world.idmap(), attr, inode),
                        bindings::kunit_i_gid_needs_update(world.idmap(), attr, inode),
                    )
                }
            };
            [user.into(), group.into(), 0, 0]
        })?;
        assert!(tally.holds("i_uid_needs_update"));
        Ok(())
    }

    #[test]
    fn setattr_copy_owner() -> Result {
        let tally = compare_changes(15, "setattr_copy_owner", |world, attr, ours| {
            // SAFETY: All of the world is valid.
            unsafe {
                let (idmap, inode) = (world.idmap(), world.inode());
                let before = ((*inode).i_uid, (*inode).i_gid, (*inode).i_mode);
                if ours {
                    bindings::rust_setattr_copy_owner(idmap, inode, attr, world.cred());
                } else {
                    bindings::oracle_setattr_copy_owner(idmap, inode, attr);
                }
                let after = [
                    0,
                    (*inode).i_uid.val,
                    (*inode).i_gid.val,
                    (*inode).i_mode.into(),
                ];
                ((*inode).i_uid, (*inode).i_gid, (*inode).i_mode) = before;
                after
            }
        })?;
        assert!(tally.holds("setattr_copy_owner"));
        assert!(tally.used > 100);
        Ok(())
    }
}
