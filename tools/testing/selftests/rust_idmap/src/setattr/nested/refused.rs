// SPDX-License-Identifier: GPL-2.0

//! Callers and idmaps that the rule of nested idmaps refuses. No mount changes.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use kselftest::credentials::{raise_capabilities, set_capabilities};
use kselftest::ktap::{check_eq, Context, Outcome};
use kselftest::userns::UserNs;
use kselftest::{mounts, process};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use rustix::thread::{
    move_into_link_name_space, set_keep_capabilities, set_thread_res_gid, set_thread_res_uid,
    CapabilitySet, LinkNameSpaceType,
};

use super::{
    as_root_of, as_root_of_n, idmapped, make_file, offered, open, owners, userns, FILE, FIRST, MAP,
    OWN,
};
use crate::attr::{self, Attr};
use crate::setattr::open_tree::{open as open_tree_attr, replace, CLONE, RECURSIVE};
use crate::setattr::{mount_on, setattr, Entry};

pub(in crate::setattr) const TESTS: &[Entry] = &[
    ("without_sysctl", without_sysctl),
    ("namespace_beside_the_callers", namespace_beside_the_callers),
    ("namespace_above_the_callers", namespace_above_the_callers),
    ("initial_namespace", initial_namespace),
    ("setgroups_denied", setgroups_denied),
    ("too_few_users", |dir| too_few(dir, [8192, 8193])),
    ("too_few_groups", |dir| too_few(dir, [8193, 8192])),
    ("without_a_capability", without_a_capability),
    ("removal_of_the_idmap", removal_of_the_idmap),
    ("attached_mount", attached_mount),
    ("idmapped_mount", idmapped_mount),
    ("filesystem_without_idmaps", filesystem_without_idmaps),
    ("namespace_without_maps", namespace_without_maps),
    ("no_user_is_left", |dir| none_is_left(dir, true)),
    ("no_group_is_left", |dir| none_is_left(dir, false)),
    ("too_many_user_extents", |dir| too_many_extents(dir, true)),
    ("too_many_group_extents", |dir| too_many_extents(dir, false)),
    ("locked_flag", locked_flag),
];

/// Checks that both calls fail with `errno`, and that no mount changes.
fn both_fail(dir: &Path, map_of: &UserNs, errno: Errno) -> Outcome {
    let before = owners(open(dir)?, "")?;
    let tree = attr::copy(dir).context("copying the mount")?;
    let answer = Attr::map(map_of).apply(&tree);
    check_eq("mount_setattr()", answer, Err(errno))?;
    check_eq("the copy", owners(&tree, "")?, before)?;
    for flags in [CLONE, CLONE | RECURSIVE] {
        for attr in [Attr::map(map_of), replace(map_of)] {
            let answer = open_tree_attr(dir, flags, attr).map(drop);
            check_eq("open_tree_attr()", answer, Err(errno))?;
        }
    }
    check_eq("the mount", owners(open(dir)?, "")?, before)
}

fn without_sysctl(dir: &Path) -> Outcome {
    make_file(dir)?;
    as_root_of_n(|map_of| {
        both_fail(dir, map_of, Errno::PERM)?;
        // Another error of the namespace is found first, as ever.
        let unwritten = UserNs::new("", "").context("creating a user namespace")?;
        both_fail(dir, &unwritten, Errno::INVAL)
    })
}

fn namespace_beside_the_callers(dir: &Path) -> Outcome {
    let _offered = offered()?;
    let beside = userns(OWN)?;
    as_root_of(&userns(OWN)?, || both_fail(dir, &beside, Errno::PERM))
}

fn namespace_above_the_callers(dir: &Path) -> Outcome {
    let _offered = offered()?;
    let above = userns(OWN)?;
    as_root_of(&above, || {
        as_root_of(&userns("0 0 60000")?, || {
            both_fail(dir, &above, Errno::PERM)
        })
    })
}

fn initial_namespace(dir: &Path) -> Outcome {
    let _offered = offered()?;
    let initial = UserNs::from(OwnedFd::from(open(Path::new("/proc/self/ns/user"))?));
    as_root_of_n(|_| both_fail(dir, &initial, Errno::PERM))
}

fn setgroups_denied(dir: &Path) -> Outcome {
    let _offered = offered()?;
    let own = UserNs::without_setgroups(OWN).context("creating a user namespace")?;
    process::isolated_test(|| {
        // The ids, but no supplementary groups.
        let (user, group) = (Uid::from_raw(FIRST), Gid::from_raw(FIRST));
        set_thread_res_gid(group, group, group).context("setresgid()")?;
        set_keep_capabilities(true).context("prctl()")?;
        set_thread_res_uid(user, user, user).context("setresuid()")?;
        raise_capabilities().context("capset()")?;
        let kind = Some(LinkNameSpaceType::User);
        move_into_link_name_space(own.as_fd(), kind).context("setns()")?;
        process::set_dumpable().context("prctl()")?;
        mounts::new_namespace().context("creating a mount namespace")?;
        both_fail(dir, &userns(MAP)?, Errno::PERM)
    })
}

/// `N` has so many users and groups. One id more than an inode can name is enough.
fn too_few(dir: &Path, counts: [u32; 2]) -> Outcome {
    let _offered = offered()?;
    let maps = |counts: [u32; 2]| counts.map(|count| format!("0 100000 {count}"));
    let [users, groups] = maps(counts);
    let own = UserNs::new(&users, &groups).context("creating a user namespace")?;
    as_root_of(&own, || both_fail(dir, &userns("0 0 1000")?, Errno::PERM))?;
    let [users, groups] = maps([8193; 2]);
    let own = UserNs::new(&users, &groups).context("creating a user namespace")?;
    as_root_of(&own, || {
        let tree = attr::copy(dir).context("copying the mount")?;
        let answer = Attr::map(&userns("0 0 1000")?).apply(&tree);
        check_eq("with one id more", answer, Ok(0))
    })
}

fn without_a_capability(dir: &Path) -> Outcome {
    let _offered = offered()?;
    let needed = [
        CapabilitySet::SETUID,
        CapabilitySet::SETGID,
        CapabilitySet::SETFCAP,
        CapabilitySet::CHOWN,
        CapabilitySet::DAC_OVERRIDE,
        CapabilitySet::DAC_READ_SEARCH,
        CapabilitySet::FOWNER,
        CapabilitySet::FSETID,
    ];
    as_root_of_n(|map_of| {
        for capability in needed {
            process::isolated_test(|| {
                set_capabilities(CapabilitySet::all() - capability).context("capset()")?;
                both_fail(dir, map_of, Errno::PERM)
            })
            .context(format_args!("without {capability:?}"))?;
        }
        // The others are not needed.
        let rest = needed
            .into_iter()
            .fold(CapabilitySet::SYS_ADMIN, |all, one| all | one);
        set_capabilities(rest).context("capset()")?;
        let tree = attr::copy(dir).context("copying the mount")?;
        check_eq("with all of them", Attr::map(map_of).apply(&tree), Ok(0))
    })
}

fn removal_of_the_idmap(dir: &Path) -> Outcome {
    let _offered = offered()?;
    let target = idmapped(dir, &userns(OWN)?)?;
    as_root_of_n(|_| {
        let answer = open_tree_attr(&target, CLONE, Attr::clear(attr::IDMAP)).map(drop);
        check_eq("open_tree_attr()", answer, Err(Errno::PERM))
    })
}

fn attached_mount(dir: &Path) -> Outcome {
    let _offered = offered()?;
    as_root_of_n(|map_of| {
        let answer = setattr(dir, Attr::map(map_of));
        check_eq("mount_setattr()", answer, Err(Errno::INVAL))?;
        let answer = open_tree_attr(dir, 0, Attr::map(map_of)).map(drop);
        check_eq("open_tree_attr()", answer, Err(Errno::INVAL))
    })
}

fn idmapped_mount(dir: &Path) -> Outcome {
    let _offered = offered()?;
    make_file(dir)?;
    as_root_of_n(|map_of| {
        let tree = attr::copy(dir).context("copying the mount")?;
        check_eq("first", Attr::map(map_of).apply(&tree), Ok(0))?;
        let before = owners(&tree, "file")?;
        let answer = Attr::map(map_of).apply(&tree);
        check_eq("second", answer, Err(Errno::PERM))?;
        check_eq("the copy", owners(&tree, "file")?, before)
    })
}

fn filesystem_without_idmaps(dir: &Path) -> Outcome {
    let _offered = offered()?;
    let below = dir.join("ramfs");
    fs::create_dir(&below).context("creating a directory")?;
    mount_on(&below, "ramfs")?;
    as_root_of_n(|map_of| both_fail(&below, map_of, Errno::INVAL))
}

fn namespace_without_maps(dir: &Path) -> Outcome {
    let _offered = offered()?;
    as_root_of_n(|_| {
        for (users, groups) in [("", ""), (MAP, ""), ("", MAP)] {
            let unwritten = UserNs::new(users, groups).context("creating a user namespace")?;
            both_fail(dir, &unwritten, Errno::INVAL)?;
        }
        Ok(())
    })
}

fn none_is_left(dir: &Path, users: bool) -> Outcome {
    let _offered = offered()?;
    // The mount shows no id of one kind that `N` has.
    let (outside, inside) = ("0 400000 65536", "0 100000 65536");
    let shown = match users {
        true => UserNs::new(outside, inside),
        false => UserNs::new(inside, outside),
    };
    let shown = shown.context("creating a user namespace")?;
    let target = idmapped(dir, &shown)?;
    as_root_of_n(|map_of| {
        for flags in [CLONE, CLONE | RECURSIVE] {
            let answer = open_tree_attr(&target, flags, replace(map_of)).map(drop);
            check_eq("open_tree_attr()", answer, Err(Errno::INVAL))?;
        }
        Ok(())
    })
}

fn too_many_extents(dir: &Path, users: bool) -> Outcome {
    let _offered = offered()?;
    // An extent of the mount is in two extents of N, and M has these in the reverse order.
    let lines = |line: fn(u32) -> String| (0..200).map(line).collect::<Vec<_>>().join("\n");
    let shown = lines(|at| format!("{} {} 40", 50 * at, 20_000 + 50 * at));
    let own = lines(|at| format!("{} {} 50", 50 * at, 20_020 + 50 * at));
    let map_of = lines(|at| format!("{} {} 50", 50 * at, 50 * (199 - at)));
    let plain = "0 0 10000";
    let both = |many: &str, few: &str| match users {
        true => UserNs::new(many, few).context("creating a user namespace"),
        false => UserNs::new(few, many).context("creating a user namespace"),
    };
    let shown = both(&shown, "0 20020 10000")?;
    let own = both(&own, "0 20020 10000")?;
    let target = idmapped(dir, &shown)?;
    as_root_of(&own, || {
        let map_of = both(&map_of, plain)?;
        let answer = open_tree_attr(&target, CLONE, replace(&map_of)).map(drop);
        check_eq("open_tree_attr()", answer, Err(Errno::OVERFLOW))?;
        let few = userns("0 0 40")?;
        let answer = open_tree_attr(&target, CLONE, replace(&few)).map(drop);
        check_eq("with fewer extents", answer, Ok(()))
    })
}

fn locked_flag(dir: &Path) -> Outcome {
    let _offered = offered()?;
    make_file(dir)?;
    check_eq("nosuid", setattr(dir, Attr::set(attr::NOSUID)), Ok(0))?;
    as_root_of_n(|map_of| {
        let clear = Attr {
            clear: attr::NOSUID,
            ..Attr::map(map_of)
        };
        let tree = attr::copy(dir).context("copying the mount")?;
        check_eq("mount_setattr()", clear.apply(&tree), Err(Errno::PERM))?;
        check_eq("the copy", owners(&tree, "file")?, FILE)?;
        let answer = open_tree_attr(dir, CLONE, clear).map(drop);
        check_eq("open_tree_attr()", answer, Err(Errno::PERM))
    })
}
