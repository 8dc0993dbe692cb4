// SPDX-License-Identifier: GPL-2.0

//! Each operation with each of its allocations failing: it must fail clean, or do without.

use std::{
    cell::Cell,
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use faults::injection::Injection;
use rustix::{
    fs::{FallocateFlags, FileType, OFlags as O, RenameFlags},
    io::Errno,
};

use crate::{
    call::{self, Answer},
    leaks,
    small::{Small, Space},
    sys,
    test::{Case, Stop, Test, name},
};

/// How often each failure is repeated, so that a leak shows among the allocator's own caches.
const REPEAT: usize = 200;
/// How often before that, to fill those.
const WARM_UP: usize = 20;
/// How many allocations, of all operations, must have refused their calls: half of what tmpfs has.
const LEAST: usize = 50;

type Act = Box<dyn Fn() -> Answer<()>>;

/// A single call, which is taken back if it is done: by name, and how to prepare it in a folder.
pub(crate) type Operation = (&'static str, fn(&Path) -> Answer<(Act, Act)>);

pub(crate) const OPERATIONS: &[Operation] = &[
    ("creat", |dir| {
        let (file, gone) = (dir.join("new"), dir.join("new"));
        act(
            move || call::create(&file, 0o644).map(drop),
            move || call::unlink(&gone),
        )
    }),
    ("mkdir", |dir| {
        let (new, gone) = (dir.join("new"), dir.join("new"));
        act(move || call::mkdir(&new, 0o755), move || call::rmdir(&gone))
    }),
    ("mknod", |dir| {
        let (new, gone) = (dir.join("new"), dir.join("new"));
        act(
            move || call::mknod(&new, FileType::Fifo, 0o644, 0),
            move || call::unlink(&gone),
        )
    }),
    ("symlink", |dir| {
        let (new, gone) = (dir.join("new"), dir.join("new"));
        act(
            move || call::symlink("a target", &new),
            move || call::unlink(&gone),
        )
    }),
    ("symlink_long", |dir| {
        let (new, gone, target) = (dir.join("new"), dir.join("new"), "t".repeat(3000));
        act(
            move || call::symlink(&target, &new),
            move || call::unlink(&gone),
        )
    }),
    ("link", |dir| {
        let (file, new, gone) = (dir.join("file"), dir.join("new"), dir.join("new"));
        act(move || call::link(&file, &new), move || call::unlink(&gone))
    }),
    ("tmpfile", |dir| {
        let dir = dir.to_owned();
        let open = move || call::open(&dir, O::TMPFILE | O::RDWR, 0o600).map(drop);
        act(open, || Ok(()))
    }),
    ("creat_with_acl", |dir| {
        let within = dir.join("dir");
        crate::battery::set_default_acl(&within)?;
        let (file, gone) = (within.join("new"), within.join("new"));
        act(
            move || call::create(&file, 0o644).map(drop),
            move || call::unlink(&gone),
        )
    }),
    ("mkdir_with_acl", |dir| {
        let within = dir.join("dir");
        crate::battery::set_default_acl(&within)?;
        let (new, gone) = (within.join("new"), within.join("new"));
        act(move || call::mkdir(&new, 0o755), move || call::rmdir(&gone))
    }),
    ("rename", |dir| renaming(dir, RenameFlags::empty())),
    ("rename_noreplace", |dir| {
        renaming(dir, RenameFlags::NOREPLACE)
    }),
    ("rename_whiteout", |dir| {
        let (a, b) = (dir.join("file"), dir.join("dir/file"));
        let (c, d) = (a.clone(), b.clone());
        let back = move || call::rename(&d, &c);
        act(
            move || call::rename_with(&a, &b, RenameFlags::WHITEOUT),
            back,
        )
    }),
    ("rename_exchange", |dir| {
        let (a, b) = (dir.join("file"), dir.join("dir"));
        let (c, d) = (a.clone(), b.clone());
        let swap = |a: &Path, b: &Path| call::rename_with(a, b, RenameFlags::EXCHANGE);
        act(move || swap(&a, &b), move || swap(&c, &d))
    }),
    ("write", |dir| {
        let fd = call::create(dir.join("written"), 0o644)?;
        let same = rustix::io::dup(&fd)?;
        let back = move || rustix::fs::ftruncate(&same, 0);
        act(
            move || rustix::io::pwrite(&fd, &[1; 20_000], 0).map(drop),
            back,
        )
    }),
    ("fallocate", |dir| {
        let fd = call::create(dir.join("allocated"), 0o644)?;
        let same = rustix::io::dup(&fd)?;
        let back = move || rustix::fs::ftruncate(&same, 0);
        let none = FallocateFlags::empty();
        act(move || rustix::fs::fallocate(&fd, none, 0, 20_000), back)
    }),
    ("truncate", |dir| {
        let (file, back) = (dir.join("file"), dir.join("file"));
        act(
            move || sys::truncate(&file, 9000),
            move || sys::truncate(&back, 4),
        )
    }),
    ("setxattr", |dir| {
        let (file, back) = (dir.join("file"), dir.join("file"));
        let set = move || call::set_xattr(&file, "user.a", &[1; 300]);
        act(set, move || call::remove_xattr(&back, "user.a"))
    }),
    ("setxattr_over_one", |dir| {
        let (file, back) = (dir.join("file"), dir.join("file"));
        call::set_xattr(&file, "user.b", b"old")?;
        let set = move || call::set_xattr(&file, "user.b", &[1; 300]);
        act(set, move || call::set_xattr(&back, "user.b", b"old"))
    }),
    ("getxattr", |dir| {
        let file = dir.join("file");
        call::set_xattr(&file, "user.c", &[1; 300])?;
        let get = move || rustix::fs::lgetxattr(&file, "user.c", &mut [0; 400]).map(drop);
        act(get, || Ok(()))
    }),
    ("set_acl", |dir| {
        let (file, back) = (dir.join("file"), dir.join("file"));
        let undo = move || {
            call::remove_xattr(&back, "system.posix_acl_access")?;
            call::chmod(&back, 0o644)
        };
        act(move || crate::battery::set_acl(&file), undo)
    }),
    ("chmod_with_acl", |dir| {
        let (file, back) = (dir.join("acl"), dir.join("acl"));
        call::create(&file, 0o644)?;
        crate::battery::set_acl(&file)?;
        act(
            move || call::chmod(&file, 0o717),
            move || call::chmod(&back, 0o760),
        )
    }),
    ("chown", |dir| {
        let (file, back) = (dir.join("file"), dir.join("file"));
        act(
            move || call::give(&file, 1000),
            move || call::give(&back, 0),
        )
    }),
    ("open", |dir| {
        let file = dir.join("file");
        act(move || call::open_rw(&file).map(drop), || Ok(()))
    }),
    ("list", |dir| {
        let dir = dir.to_owned();
        act(move || call::names(&dir).map(drop), || Ok(()))
    }),
    ("unlink", |dir| {
        let (file, back) = (dir.join("gone"), dir.join("gone"));
        call::create(&file, 0o644)?;
        act(
            move || call::unlink(&file),
            move || call::create(&back, 0o644).map(drop),
        )
    }),
    ("handle", |dir| {
        let file = dir.join("file");
        let mount = call::open_ro(dir)?;
        let (handle, answer) = sys::name_to_handle(&file, 128, 0);
        answer?;
        let open = move || {
            use std::os::fd::AsFd;
            sys::open_by_handle(mount.as_fd(), &handle, libc::O_RDONLY).map(drop)
        };
        act(open, || Ok(()))
    }),
];

fn act(
    act: impl Fn() -> Answer<()> + 'static,
    undo: impl Fn() -> Answer<()> + 'static,
) -> Answer<(Act, Act)> {
    Ok((Box::new(act), Box::new(undo)))
}

fn renaming(dir: &Path, flags: RenameFlags) -> Answer<(Act, Act)> {
    let (a, b) = (dir.join("file"), dir.join("dir/file"));
    let (c, d) = (a.clone(), b.clone());
    act(
        move || call::rename_with(&a, &b, flags),
        move || call::rename(&d, &c),
    )
}

/// Runs an operation on a filesystem of its own.
pub(crate) fn operation(
    t: &Test,
    prepare: fn(&Path) -> Answer<(Act, Act)>,
    refusals: &Cell<usize>,
) -> Case {
    let small = t.done(
        "mount",
        Small::new(&t.place.kind, "faults", "size=1m,nr_inodes=100"),
    )?;
    t.done("write", call::write_file(small.at("file"), b"text"))?;
    t.done("mkdir", call::mkdir(small.at("dir"), 0o755))?;
    {
        let (act, undo) = t.done("prepare", prepare(small.root()))?;
        t.done("once", act())?;
        t.done("undo", undo())?;
        let root = small.root().to_owned();
        // tmpfs changes a mode before the list that goes with it, and does not go back.
        let modes = t.place.kind != "tmpfs" || !root.join("acl").exists();
        let state = || {
            let mut tree = tree(&root)?;
            if !modes {
                tree.values_mut().for_each(|seen| seen.0 = 0);
            }
            Ok((tree, space(&root)?))
        };
        fail(t, &act, &undo, &state, refusals)?;
    }
    t.done("umount", small.end())
}

/// Mounting itself.
pub(crate) fn mounting(t: &Test, refusals: &Cell<usize>) -> Case {
    let (kind, root) = (t.place.kind.clone(), crate::place::spare("faults"));
    let root = t.done("folder", root)?;
    let same = root.clone();
    let mount = move || {
        let flags = rustix::mount::MountFlags::empty();
        rustix::mount::mount(
            &kind[..],
            &same,
            &kind[..],
            flags,
            c"size=1m,mode=700,uid=1",
        )
    };
    let same = root.clone();
    let none = rustix::mount::UnmountFlags::empty();
    let undo = move || rustix::mount::unmount(&same, none);
    let state = || {
        let empty = Space {
            blocks: 0,
            free_blocks: 0,
            inodes: 0,
            free_inodes: 0,
        };
        Ok((tree(&root)?, empty))
    };
    t.done("once", mount())?;
    t.done("undo", undo())?;
    fail(t, &mount, &undo, &state, refusals)
}

/// Whether failing allocations were felt at all: an operation may do without one, not all of them.
pub(crate) fn enough(t: &Test, refusals: &Cell<usize>) -> Case {
    let refusals = refusals.get();
    t.holds(
        &format!("{refusals} refusals, at least {LEAST}"),
        refusals >= LEAST,
    );
    Ok(())
}

/// What can be seen of a tree: mode, links, size and attributes by path.
type Tree = BTreeMap<PathBuf, (u32, u64, i64, Vec<String>)>;

fn tree(root: &Path) -> Answer<Tree> {
    let mut tree = Tree::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in call::names(&folder)? {
            let path = folder.join(entry);
            let stat = call::stat(&path)?;
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                folders.push(path.clone());
            }
            let names = match call::list_xattr(&path) {
                Err(Errno::OPNOTSUPP) => Vec::new(),
                other => other?,
            };
            tree.insert(path, (stat.st_mode, stat.st_nlink, stat.st_size, names));
        }
    }
    Ok(tree)
}

fn space(root: &Path) -> Answer<Space> {
    let all = rustix::fs::statfs(root)?;
    Ok(Space {
        blocks: all.f_blocks,
        free_blocks: all.f_bfree,
        inodes: all.f_files,
        free_inodes: all.f_ffree,
    })
}

/// Has each allocation of `act` fail in turn; nothing may change by that, and nothing be lost.
fn fail(
    t: &Test,
    act: &dyn Fn() -> Answer<()>,
    undo: &dyn Fn() -> Answer<()>,
    state: &dyn Fn() -> Answer<(Tree, Space)>,
    refusals: &Cell<usize>,
) -> Case {
    let injection = Injection::new();
    if let Err(error) = &injection {
        t.same("fault injection", error.to_string(), String::new());
    }
    let injection = injection.map_err(|_| Stop)?;
    let expected = t.done("state", state())?;
    let (mut failed, mut refused) = (0, 0);
    let mut each = |repeat| -> Case {
        (failed, refused) = (0, 0);
        for nth in 1.. {
            let Some(felt) = nth_fails(t, &injection, nth, repeat, act, undo)? else {
                break;
            };
            failed += 1;
            refused += usize::from(felt);
            let now = t.done("state", state())?;
            t.same(
                &format!("state after failing allocation {nth}"),
                &now,
                &expected,
            );
        }
        Ok(())
    };
    each(WARM_UP)?;
    leaks::none(t, REPEAT, || each(REPEAT))?;
    println!("    # {failed} allocations failed, {refused} of them refused the call");
    t.holds("there was an allocation to fail", failed > 0);
    refusals.set(refusals.get() + refused);
    Ok(())
}

/// Has the `nth` allocation fail, `repeat` times; whether the call was refused then. `None` if it
/// has not so many.
fn nth_fails(
    t: &Test,
    injection: &Injection,
    nth: u32,
    repeat: usize,
    act: &dyn Fn() -> Answer<()>,
    undo: &dyn Fn() -> Answer<()>,
) -> Result<Option<bool>, Stop> {
    let mut felt = false;
    for _ in 0..repeat {
        let (answer, injected) = injection.fail_nth(nth, act).map_err(|error| {
            t.same("fault injection", error.to_string(), String::new());
            Stop
        })?;
        match answer {
            Ok(()) => {
                t.done("undo", undo())?;
                if !injected {
                    return Ok(None);
                }
            }
            // Which one it is goes by what was being made.
            Err(Errno::NOMEM | Errno::NOSPC) if injected => felt = true,
            Err(errno) => {
                t.same(
                    &format!("allocation {nth}"),
                    name(errno),
                    "ENOMEM".to_owned(),
                );
                return Err(Stop);
            }
        }
    }
    Ok(Some(felt))
}
