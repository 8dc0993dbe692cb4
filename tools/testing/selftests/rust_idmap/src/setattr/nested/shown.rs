// SPDX-License-Identifier: GPL-2.0

//! The idmap that a nested mount gets: it composes the idmap of the mount, `N` and `M`.

use std::fs;
use std::path::Path;

use kselftest::ktap::{check_eq, Context, Failure, Outcome};
use kselftest::userns::UserNs;
use kselftest::{mounts, process, syscalls};
use rustix::io::Errno;

use super::{
    as_root_of, as_root_of_n, chown, idmapped, make_file, offered, open, owners, userns, FILE,
    FIRST, MAP, NESTED, OWN,
};
use crate::attr::{self, Attr};
use crate::caller::OVERFLOW;
use crate::setattr::open_tree::{open as open_tree_attr, replace, CLONE};
use crate::setattr::{About, Entry};

pub(in crate::setattr) const TESTS: &[Entry] = &[
    ("plain_mount", plain_mount),
    ("idmapped_mount_composes", idmapped_mount_composes),
    ("namespace_of_the_caller", namespace_of_the_caller),
    ("users_and_groups_apart", users_and_groups_apart),
    ("new_files", new_files),
    ("ids_outside_of_the_callers", ids_outside_of_the_callers),
    ("three_deep", three_deep),
    ("namespaces_may_end", namespaces_may_end),
    ("statmount_and_mountinfo", statmount_and_mountinfo),
    (
        "caller_that_controls_the_filesystem",
        caller_that_controls_the_filesystem,
    ),
    ("filesystem_of_the_caller", filesystem_of_the_caller),
];

fn plain_mount(dir: &Path) -> Outcome {
    let _offered = offered()?;
    make_file(dir)?;
    as_root_of_n(|map_of| {
        let tree = attr::copy(dir).context("copying the mount")?;
        check_eq("mount_setattr()", Attr::map(map_of).apply(&tree), Ok(0))?;
        check_eq("the copy", owners(&tree, "file")?, NESTED)?;
        for attr in [Attr::map(map_of), replace(map_of)] {
            let tree = open_tree_attr(dir, CLONE, attr).context("open_tree_attr()")?;
            check_eq("the other copy", owners(&tree, "file")?, NESTED)?;
        }
        check_eq("the mount", owners(open(dir)?, "file")?, FILE)
    })
}

fn idmapped_mount_composes(dir: &Path) -> Outcome {
    let _offered = offered()?;
    fs::write(dir.join("file"), "").context("creating the file")?;
    chown(&dir.join("file"), FILE.0, FILE.1)?;
    // Id 0 on disk is shown outside of N.
    let shown = userns("1 100001 65535\n0 400000 1")?;
    let target = idmapped(dir, &shown)?;
    as_root_of_n(|map_of| {
        check_eq("the mount", owners(open(&target)?, "file")?, FILE)?;
        for attr in [Attr::map(map_of), replace(map_of)] {
            let tree = open_tree_attr(&target, CLONE, attr).context("open_tree_attr()")?;
            check_eq("the file", owners(&tree, "file")?, NESTED)?;
            let root = (OVERFLOW, OVERFLOW);
            check_eq("the directory of id 0", owners(&tree, "")?, root)?;
        }
        Ok(())
    })
}

fn namespace_of_the_caller(dir: &Path) -> Outcome {
    let _offered = offered()?;
    make_file(dir)?;
    let own = userns(OWN)?;
    as_root_of(&own, || {
        let tree = attr::copy(dir).context("copying the mount")?;
        check_eq("mount_setattr()", Attr::map(&own).apply(&tree), Ok(0))?;
        check_eq("the file", owners(&tree, "file")?, FILE)
    })
}

fn users_and_groups_apart(dir: &Path) -> Outcome {
    let _offered = offered()?;
    make_file(dir)?;
    as_root_of(&userns(OWN)?, || {
        let map_of = UserNs::new("0 5 1\n1000 7000 1", "2000 8000 1");
        let map_of = map_of.context("creating a user namespace")?;
        let tree = attr::copy(dir).context("copying the mount")?;
        check_eq("mount_setattr()", Attr::map(&map_of).apply(&tree), Ok(0))?;
        check_eq("the file", owners(&tree, "file")?, (7000, 8000))
    })
}

/// Attaches a tree in a mount namespace of a child process, and runs a test there.
fn attached(tree: &impl std::os::fd::AsFd, run: impl FnOnce(&Path) -> Outcome) -> Outcome {
    process::isolated_test(|| {
        mounts::new_namespace().context("creating a mount namespace")?;
        let target = Path::new("/mnt");
        attr::attach(tree, target).context("attaching the mount")?;
        run(target)
    })
}

fn new_files(dir: &Path) -> Outcome {
    let _offered = offered()?;
    syscalls::chmod(dir, 0o777).context("chmod()")?;
    chown(dir, FIRST, FIRST)?;
    as_root_of_n(|map_of| {
        let tree = attr::copy(dir).context("copying the mount")?;
        check_eq("mount_setattr()", Attr::map(map_of).apply(&tree), Ok(0))?;
        attached(&tree, |target| {
            // M has this id of N: the id 60000 of M, so the new file is that of id 60000 of N.
            fs::write(target.join("by-root"), "").context("creating a file")?;
            check_eq("the new file", owners(open(target)?, "by-root")?, (0, 0))?;
            // M does not have this one.
            let user = 700;
            let answer = process::isolated(|| {
                kselftest::credentials::become_user(user)?;
                syscalls::write_file(target.join("by-another"), b"").map(|()| 0)
            });
            check_eq("without an id of M", answer, Err(Errno::OVERFLOW))
        })
    })?;
    let on_disk = FIRST + 60_000;
    let owner = owners(open(dir)?, "by-root")?;
    check_eq("on disk", owner, (on_disk, on_disk))
}

fn ids_outside_of_the_callers(dir: &Path) -> Outcome {
    let _offered = offered()?;
    // N has an id that M has not, and N does not have the others.
    let ids = [FIRST + 60_500, FIRST - 1, FIRST + 65_536, 0, 300_000];
    for id in ids {
        let name = id.to_string();
        fs::write(dir.join(&name), "").context("creating a file")?;
        chown(&dir.join(&name), id, id)?;
    }
    as_root_of_n(|map_of| {
        let tree = attr::copy(dir).context("copying the mount")?;
        check_eq("mount_setattr()", Attr::map(map_of).apply(&tree), Ok(0))?;
        for id in ids {
            let seen = owners(&tree, &id.to_string())?;
            check_eq(&format!("{id}"), seen, (OVERFLOW, OVERFLOW))?;
        }
        Ok(())
    })
}

/// Idmaps a mount as root of a user namespace, and runs a test as root of the namespace of the
/// idmap, which the mount is attached for.
fn deeper(target: &Path, map: &str, run: impl FnOnce(&UserNs, &Path) -> Outcome) -> Outcome {
    let map_of = userns(map)?;
    let tree = open_tree_attr(target, CLONE, replace(&map_of)).context("open_tree_attr()")?;
    attached(&tree, |target| as_root_of(&map_of, || run(&map_of, target)))
}

fn three_deep(dir: &Path) -> Outcome {
    let _offered = offered()?;
    make_file(dir)?;
    // Each namespace shows what the one above shows: its own ids begin 1000 later.
    let seen = |what: &'static str, target: &Path| -> Outcome {
        check_eq(what, owners(open(target)?, "file")?, FILE)
    };
    as_root_of(&userns(OWN)?, || {
        seen("in N", dir)?;
        deeper(dir, "0 1000 60000", |_, target| {
            seen("in M", target)?;
            deeper(target, "0 1000 50000", |_, target| {
                seen("below M", target)?;
                deeper(target, "0 1000 40000", |_, target| {
                    seen("two below M", target)
                })
            })
        })
    })
}

fn namespaces_may_end(dir: &Path) -> Outcome {
    let _offered = offered()?;
    make_file(dir)?;
    let own = userns(OWN)?;
    let tree = process::fd_from_child(|| {
        own.enter(0, 0)?;
        mounts::new_namespace()?;
        let map_of = UserNs::with(MAP)?;
        open_tree_attr(dir, CLONE, Attr::map(&map_of))
    });
    let tree = tree.context("open_tree_attr()")?;
    drop(own);
    let (user, group) = NESTED;
    let seen = owners(&tree, "file")?;
    check_eq("the file", seen, (FIRST + user, FIRST + group))
}

fn statmount_and_mountinfo(dir: &Path) -> Outcome {
    let _offered = offered()?;
    let told = |at: &Path| -> Result<[String; 2], Failure> {
        let about = About::mount(at)?;
        Ok(about.maps().map(|ranges| ranges.join(",")))
    };
    as_root_of_n(|map_of| {
        let tree = attr::copy(dir).context("copying the mount")?;
        check_eq("mount_setattr()", Attr::map(map_of).apply(&tree), Ok(0))?;
        attached(&tree, |target| {
            // From ids on disk to those of the caller, which are N's, and then M's.
            let map = format!("{FIRST} 1000 60000,160000 0 500");
            check_eq("in N", told(target)?, [map.clone(), map])?;
            // Copies of mounts in a new mount namespace come later in mountinfo than older mounts.
            let mounts = mounts::all().context("mountinfo")?;
            let is_idmapped = mounts
                .iter()
                .any(|mount| Path::new(&mount.target) == target && mount.has_option("idmapped"));
            check_eq("idmapped", is_idmapped, true)?;
            as_root_of(map_of, || {
                let map = format!("{FIRST} 0 60000,160000 60000 500");
                check_eq("in M", told(target)?, [map.clone(), map])
            })
        })
    })
}

fn caller_that_controls_the_filesystem(dir: &Path) -> Outcome {
    let _offered = offered()?;
    make_file(dir)?;
    let (one, other) = (userns("101000 5 1001")?, userns("101000 7 1001")?);
    let target = idmapped(dir, &one)?;
    // The idmap is from ids on disk, whatever idmap the mount has.
    check_eq("one", owners(open(&target)?, "file")?, (5, 1005))?;
    let tree = open_tree_attr(&target, CLONE, replace(&other)).context("open_tree_attr()")?;
    check_eq("the other", owners(&tree, "file")?, (7, 1007))?;
    let tree = open_tree_attr(&target, CLONE, Attr::clear(attr::IDMAP));
    let tree = tree.context("open_tree_attr()")?;
    let on_disk = (FIRST + FILE.0, FIRST + FILE.1);
    check_eq("none", owners(&tree, "file")?, on_disk)
}

fn filesystem_of_the_caller(_: &Path) -> Outcome {
    let _offered = offered()?;
    let own = userns(OWN)?;
    let tree = own.mount_tmpfs((0, 0), "755").context("mounting a tmpfs")?;
    as_root_of(&own, || {
        let map_of = userns("0 5 1")?;
        check_eq("idmap", Attr::map(&map_of).apply(&tree), Ok(0))?;
        check_eq("root's", owners(&tree, "")?, (5, 5))
    })
}
