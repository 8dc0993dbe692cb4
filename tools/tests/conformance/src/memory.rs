// SPDX-License-Identifier: GPL-2.0

//! Each operation with each of its allocations failing: it must fail clean, or do without.

mod operations;

use std::{
    cell::Cell,
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
};

use kselftest::errno;
use kselftest::errno::SyscallResult;
use kselftest::failslab::Injection;
use kselftest::syscalls;
use rustix::{fs::FileType, io::Errno};

use crate::{
    leaks,
    small::{Small, Space},
    test::{Case, Stop, Test},
};

use operations::Call;
pub(crate) use operations::OPERATIONS;

/// How often each failure is repeated, so that a leak shows among the allocator's own caches.
const REPEAT: usize = 200;
/// How often before that, to fill those.
const WARM_UP: usize = 20;
/// The number of failed allocations, in all operations, that must fail their calls: half of the
/// number on tmpfs.
const LEAST: usize = 70;

/// Of the filesystem on which an operation is tried.
const OPTIONS: &str = "size=1m,nr_inodes=100";

/// Runs an operation on a filesystem of its own.
pub(crate) fn operation(
    t: &Test,
    prepare: fn(&Path) -> SyscallResult<(Call, Call)>,
    refusals: &Cell<usize>,
) -> Case {
    let small = t.done("mount", Small::new(&t.mount.kind, "faults", OPTIONS))?;
    t.done("write", syscalls::write_file(small.at("file"), b"text"))?;
    t.done("mkdir", syscalls::mkdir(small.at("dir"), 0o755))?;
    {
        let (call, undo) = t.done("prepare", prepare(small.root()))?;
        t.done("once", call())?;
        t.done("undo", undo())?;
        let root = small.root().to_owned();
        // tmpfs changes a mode before the list that goes with it, and does not go back.
        let modes = t.mount.kind != "tmpfs" || !root.join("acl").exists();
        let state = || {
            let mut tree = tree(&root)?;
            if !modes {
                tree.values_mut().for_each(|seen| seen.mode = 0);
            }
            Ok((tree, space(&root)?))
        };
        fail(t, &call, &undo, &state, refusals)?;
    }
    t.done("umount", small.end())
}

/// Mounting itself.
pub(crate) fn mounting(t: &Test, refusals: &Cell<usize>) -> Case {
    let (kind, root) = (t.mount.kind.clone(), crate::test_mount::spare("faults"));
    let root = t.done("directory", root)?;
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

/// The state of a tree, by path.
type Tree = BTreeMap<PathBuf, Seen>;

/// The state of a file or directory.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    mode: u32,
    owner: (u32, u32),
    links: u64,
    size: i64,
    attributes: Vec<(String, Print)>,
    /// Of a file that has some; a hole would be filled by looking at it.
    contents: Option<Print>,
}

/// Length and hash of a value that is too long to show.
type Print = (usize, u64);

fn print(bytes: Vec<u8>) -> Print {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    (bytes.len(), hasher.finish())
}

fn tree(root: &Path) -> SyscallResult<Tree> {
    let mut tree = Tree::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in syscalls::names(&directory)? {
            let path = directory.join(entry);
            let stat = syscalls::stat(&path)?;
            let kind = FileType::from_raw_mode(stat.st_mode);
            if kind == FileType::Directory {
                directories.push(path.clone());
            }
            let names = match syscalls::list_xattr(&path) {
                Err(Errno::OPNOTSUPP) => Vec::new(),
                other => other?,
            };
            let value =
                |name: String| Ok((name.clone(), print(syscalls::get_xattr(&path, &name)?)));
            let has_some = kind == FileType::RegularFile && stat.st_blocks > 0;
            let seen = Seen {
                mode: stat.st_mode,
                owner: (stat.st_uid, stat.st_gid),
                links: syscalls::link_count(&stat),
                size: stat.st_size,
                attributes: names.into_iter().map(value).collect::<SyscallResult<_>>()?,
                contents: match has_some {
                    true => Some(print(syscalls::read_file(&path)?)),
                    false => None,
                },
            };
            tree.insert(path, seen);
        }
    }
    Ok(tree)
}

fn space(root: &Path) -> SyscallResult<Space> {
    let all = rustix::fs::statfs(root)?;
    Ok(Space {
        blocks: all.f_blocks,
        free_blocks: all.f_bfree,
        inodes: all.f_files,
        free_inodes: all.f_ffree,
    })
}

/// Which allocations fail.
#[derive(Clone, Copy, Debug)]
enum Failing {
    /// One
    One,
    /// One, and all later ones: the page cache retries a failed allocation, and an undo must not
    /// allocate either
    AllFrom,
}

/// Has each allocation of `call` fail in turn, and then all from each of them on; nothing may
/// change by that, and nothing be lost.
fn fail(
    t: &Test,
    call: &dyn Fn() -> SyscallResult<()>,
    undo: &dyn Fn() -> SyscallResult<()>,
    state: &dyn Fn() -> SyscallResult<(Tree, Space)>,
    refusals: &Cell<usize>,
) -> Case {
    let injection = works(t, Injection::new())?;
    let expected = t.done("state", state())?;
    let mut counts = [(0, 0); 2];
    let mut each = |repeat| -> Case {
        for (failing, count) in [Failing::One, Failing::AllFrom]
            .into_iter()
            .zip(&mut counts)
        {
            *count = (0, 0);
            for nth in 1.. {
                let inject = || match failing {
                    Failing::One => injection.fail_nth(nth, call),
                    Failing::AllFrom => injection.fail_from(nth, call),
                };
                let Some(felt) = nth_fails(t, &inject, nth, repeat, undo)? else {
                    break;
                };
                count.0 += 1;
                count.1 += usize::from(felt);
                let now = t.done("state", state())?;
                let what = format!("state after failing allocation {nth}, {failing:?}");
                t.same(&what, &now, &expected);
            }
        }
        Ok(())
    };
    each(WARM_UP)?;
    leaks::none(t, REPEAT, || each(REPEAT))?;
    let [(failed, refused), (_, refused_all)] = counts;
    println!(
        "    # {failed} allocations failed, {refused} of them refused the call, \
         {refused_all} with all after them"
    );
    t.holds("there was an allocation to fail", failed > 0);
    t.holds("refused where there is no memory", refused_all > 0);
    refusals.set(refusals.get() + refused);
    Ok(())
}

/// Requires the fault injection to work.
fn works<R>(t: &Test, answer: io::Result<R>) -> Result<R, Stop> {
    answer.map_err(|error| {
        t.same("fault injection", error.to_string(), String::new());
        Stop
    })
}

/// Has the `nth` allocation fail by `inject`, `repeat` times; whether the call was refused then.
/// `None` if it has not so many.
fn nth_fails(
    t: &Test,
    inject: &dyn Fn() -> io::Result<(SyscallResult<()>, bool)>,
    nth: u32,
    repeat: usize,
    undo: &dyn Fn() -> SyscallResult<()>,
) -> Result<Option<bool>, Stop> {
    let mut refused = false;
    for _ in 0..repeat {
        let (answer, injected) = works(t, inject())?;
        match answer {
            Ok(()) => {
                t.done("undo", undo())?;
                if !injected {
                    return Ok(None);
                }
            }
            // The error depends on the object.
            Err(Errno::NOMEM | Errno::NOSPC) if injected => refused = true,
            Err(errno) => {
                t.same(
                    &format!("allocation {nth}"),
                    errno::name(errno),
                    "ENOMEM".to_owned(),
                );
                return Err(Stop);
            }
        }
    }
    Ok(Some(refused))
}
