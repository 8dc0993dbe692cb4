// SPDX-License-Identifier: GPL-2.0

//! Tests of the abstractions, with a small filesystem that can be told to fail.

mod calls;

use super::{
    access::Mode,
    context::{
        ContextOperations,
        FsContext,
        Parameter, //
    },
    dentry::{
        Entry,
        Filled,
        Name,
        Negative,
        Removed, //
    },
    inode::{
        New,
        NewOwner,
        Root, //
    },
    inode_ops::InodeOperations,
    mnt_idmapping::MntIdmap,
    registration::{
        FileSystem,
        Registration, //
    },
    rename::{
        Flags,
        Rename,
        Renamed, //
    },
    super_block::SuperBlock,
    super_ops::SuperOperations, //
};
use crate::{
    bindings,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    uidgid::{
        FsGid,
        FsUid, //
    },
};

/// Where making a mount may fail.
const STEPS: [i32; 5] = [OPTIONS, PARAMETER, DATA, ROOT_DATA, ROOT];
const NOWHERE: i32 = 0;
const OPTIONS: i32 = 1;
const PARAMETER: i32 = 2;
const DATA: i32 = 3;
const ROOT_DATA: i32 = 4;
const ROOT: i32 = 5;

/// What operations do wrong.
static WRONG: Atomic<i32> = Atomic::new(NOTHING);
const NOTHING: i32 = 0;
/// Something other than they are asked for.
const WHAT: i32 = 1;
/// They do it, and say that they did not.
const ANSWER: i32 = 2;
/// They make something of another kind.
const KIND: i32 = 3;

static FAILING: Atomic<i32> = Atomic::new(NOWHERE);
static ALIVE: Atomic<i32> = Atomic::new(0);
static MADE: Atomic<i32> = Atomic::new(0);

/// Something that is counted while it is there.
struct Counted;

impl Counted {
    /// Makes one, unless it is here that making a mount is to fail.
    fn new(step: i32) -> Result<Self> {
        if FAILING.load(Relaxed) == step {
            return Err(EDOM);
        }
        ALIVE.fetch_add(1, Relaxed);
        MADE.fetch_add(1, Relaxed);
        Ok(Self)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Relaxed);
    }
}

struct Options {
    _counted: Counted,
    mode: u16,
}

struct Mounted {
    _counted: Counted,
    owner: (FsUid, FsGid),
    mode: u16,
}

struct TestFs;

#[vtable]
impl FileSystem for TestFs {
    const NAME: &'static CStr = c"rust_fs_kunit";
    type Options = Options;
    type Data = Mounted;
    type InodeData = Counted;
}

#[vtable]
impl ContextOperations for TestFs {
    const PARAMETERS: &'static [Parameter<Options>] = &[
        Parameter::octal(c"mode", |options, context, mode| {
            options.mode = match u16::try_from(mode) {
                Ok(mode) if mode <= 0o7777 => mode,
                _ => return Err(context.invalid(fmt!("mode={mode:o}: up to 7777"))),
            };
            Ok(())
        }),
        Parameter::flag(c"fails", |_, _| Err(EDOM)),
    ];

    fn options(_context: &FsContext) -> Result<Options> {
        Ok(Options {
            _counted: Counted::new(OPTIONS)?,
            mode: 0o700,
        })
    }

    fn data(options: Options, context: &FsContext) -> impl PinInit<Mounted, Error> {
        let mounted = || {
            Ok(Mounted {
                _counted: Counted::new(DATA)?,
                owner: context.caller()?,
                mode: options.mode,
            })
        };
        mounted()
    }
}

#[vtable]
impl SuperOperations for TestFs {
    const MAGIC: u32 = 0x6b756e69;

    fn root(super_block: &SuperBlock<Self>) -> Result<Root<Self>> {
        let mounted = super_block.data();
        let root = New::root::<Dir>(
            super_block,
            mounted.owner,
            Mode::new(mounted.mode),
            Counted::new(ROOT_DATA),
        )?;
        // Here the root is there already, and has to go again.
        let _ = Counted::new(ROOT)?;
        Ok(root)
    }
}

struct Dir;

/// A new directory, or a pipe.
fn some(owner: &NewOwner<'_, TestFs>, name: &Name, directory: bool) -> Result<New<TestFs>> {
    let (mode, data) = (Mode::new(0o755), Counted::new(NOWHERE + 9));
    match directory {
        true => New::directory::<Dir>(owner, name, mode, data),
        false => New::special::<Dir>(owner, name, mode.with(Mode::S_IFIFO), 0, data),
    }
}

/// What an operation answers that has done something.
fn answer<R>(done: Result<R>) -> Result<R> {
    match WRONG.load(Relaxed) {
        ANSWER => Err(EDOM),
        _ => done,
    }
}

#[vtable]
impl InodeOperations for Dir {
    type FileSystem = TestFs;

    fn mkdir<'d>(idmap: &MntIdmap, name: Negative<'d, TestFs>, _mode: Mode) -> Result<Filled<'d>> {
        let owner = name.dir().new_owner(idmap)?;
        let new = some(&owner, name.name(), WRONG.load(Relaxed) != KIND)?;
        name.instantiate(new)
    }

    fn mknod<'d>(
        idmap: &MntIdmap,
        name: Negative<'d, TestFs>,
        _mode: Mode,
        _device: u32,
    ) -> Result<Filled<'d>> {
        let owner = name.dir().new_owner(idmap)?;
        let new = some(&owner, name.name(), WRONG.load(Relaxed) == KIND)?;
        name.instantiate(new)
    }

    fn rename<'d>(idmap: &MntIdmap, rename: Rename<'d, TestFs>) -> Result<Renamed<'d>> {
        let wrong = WRONG.load(Relaxed);
        let renamed = if rename.flags().has(Flags::EXCHANGE) != (wrong == WHAT) {
            rename.exchange()
        } else if wrong == KIND {
            let owner = rename.old_dir().new_owner(idmap)?;
            let new = some(&owner, rename.name(), false)?;
            rename.replace(Some(new))
        } else {
            rename.replace(None)
        };
        answer(renamed)
    }

    fn unlink<'d>(entry: Entry<'d, TestFs>) -> Result<Removed<'d>> {
        answer(entry.unlink())
    }

    fn rmdir<'d>(entry: Entry<'d, TestFs>) -> Result<Removed<'d>> {
        match WRONG.load(Relaxed) {
            WHAT => entry.unlink(),
            _ => answer(entry.rmdir()),
        }
    }
}

#[macros::kunit_tests(rust_fs)]
mod cases {
    use super::{calls::*, *};

    /// How many things were made, and how many are left.
    fn counted(f: impl FnOnce() -> Result) -> Result<(i32, i32)> {
        let (alive, made) = (ALIVE.load(Relaxed), MADE.load(Relaxed));
        f()?;
        Ok((MADE.load(Relaxed) - made, ALIVE.load(Relaxed) - alive))
    }

    #[test]
    fn what_a_mount_keeps_is_dropped_with_it() -> Result {
        let (made, left) = counted(|| {
            // SAFETY: It is mounted.
            let (mode, made, again, other, links) = mounted(Some(c"mode=1751"), |mount| unsafe {
                let root = (*(*mount).mnt_root).d_inode;
                let mode = u32::from((*root).i_mode);
                let made = make_directory(mount, c"a");
                let again = make_directory(mount, c"a");
                let other = make_directory(mount, c"b");
                (mode, made, again, other, (*root).__bindgen_anon_1.i_nlink)
            })?;
            assert_eq!(mode, 0o41751);
            assert!(made.is_ok());
            assert_eq!(again, Err(EEXIST));
            assert!(other.is_ok());
            assert_eq!(links, 4);
            Ok(())
        })?;
        // The options, the superblock, the root with the mark after it, two directories.
        assert_eq!(made, 6);
        assert_eq!(left, 0);
        Ok(())
    }

    #[test]
    fn a_mount_that_fails_leaves_nothing() -> Result {
        for step in STEPS {
            FAILING.store(step, Relaxed);
            let options = (step == PARAMETER).then_some(c"fails");
            let result = counted(|| {
                let result = mounted(options, |_| ());
                FAILING.store(NOWHERE, Relaxed);
                assert_eq!(result, Err(EDOM));
                Ok(())
            });
            assert_eq!(result?.1, 0);
        }
        Ok(())
    }

    #[test]
    fn acls_are_there_only_where_the_filesystem_has_them() -> Result {
        // SAFETY: It is mounted.
        let flags = mounted(None, |mount| unsafe { (*(*mount).mnt_sb).s_flags })?;
        assert_eq!(flags & bindings::SB_POSIXACL, 0);
        Ok(())
    }

    #[test]
    fn options_that_are_wrong_are_refused() -> Result {
        for options in [c"mode=8", c"mode=10000", c"mode", c"fails=1", c"unknown"] {
            let (_, left) = counted(|| {
                let options = Some(options);
                let result = mounted(options, |_| ());
                assert_eq!(result, Err(EINVAL));
                Ok(())
            })?;
            assert_eq!(left, 0);
        }
        Ok(())
    }

    #[test]
    fn nothing_is_made_for_a_caller_without_a_name() -> Result {
        let (made, left) = counted(|| {
            // SAFETY: It is mounted.
            let (refused, links, made) = mounted(None, |mount| unsafe {
                let refused = make_unmapped(mount, c"a");
                let root = (*(*mount).mnt_root).d_inode;
                let links = (*root).__bindgen_anon_1.i_nlink;
                (refused, links, make_directory(mount, c"a"))
            })?;
            assert_eq!(refused, Err(EOVERFLOW));
            assert_eq!(links, 2);
            assert!(made.is_ok());
            Ok(())
        })?;
        // The options, the superblock, the root with the mark after it, one directory.
        assert_eq!(made, 5);
        assert_eq!(left, 0);
        Ok(())
    }

    #[test]
    fn a_rename_does_what_is_asked_for() -> Result {
        let (_, left) = counted(|| {
            // SAFETY: It is mounted.
            let (wrong, kind, right) = mounted(None, |mount| unsafe {
                let _ = (make_directory(mount, c"a"), make_directory(mount, c"b"));
                let links = || (*(*(*mount).mnt_root).d_inode).__bindgen_anon_1.i_nlink;
                let renamed = |flags| (rename(mount, c"a", c"b", flags), links());
                WRONG.store(WHAT, Relaxed);
                let asked = [bindings::RENAME_EXCHANGE, 0, bindings::RENAME_WHITEOUT];
                let wrong = asked.map(renamed);
                // A whiteout that is none.
                WRONG.store(KIND, Relaxed);
                let kind = renamed(bindings::RENAME_WHITEOUT);
                WRONG.store(NOTHING, Relaxed);
                // No whiteout where one is asked for. In this order two change places, and one
                // takes the place of the other; then there is one left.
                let asked = [bindings::RENAME_WHITEOUT, bindings::RENAME_EXCHANGE, 0];
                (wrong, kind, asked.map(renamed))
            })?;
            assert_eq!((wrong, kind), ([(Err(EINVAL), 4); 3], (Err(EINVAL), 4)));
            assert_eq!(right, [(Err(EINVAL), 4), (Ok(()), 4), (Ok(()), 3)]);
            Ok(())
        })?;
        assert_eq!(left, 0);
        Ok(())
    }

    #[test]
    fn a_rename_that_was_done_is_told() -> Result {
        let (_, left) = counted(|| {
            // SAFETY: It is mounted.
            let (exchanged, replaced, found) = mounted(None, |mount| unsafe {
                let _ = (make_directory(mount, c"a"), make_directory(mount, c"b"));
                WRONG.store(ANSWER, Relaxed);
                let exchanged = rename(mount, c"a", c"b", bindings::RENAME_EXCHANGE);
                let replaced = rename(mount, c"a", c"b", 0);
                WRONG.store(NOTHING, Relaxed);
                let found = [c"a", c"b"].map(|name| {
                    let found = find((*mount).mnt_root, name);
                    bindings::dput(found);
                    !found.is_null()
                });
                (exchanged, replaced, found)
            })?;
            assert_eq!((exchanged, replaced), (Ok(()), Ok(())));
            assert_eq!(found, [false, true]);
            Ok(())
        })?;
        assert_eq!(left, 0);
        Ok(())
    }

    #[test]
    fn a_directory_is_removed_as_one() -> Result {
        let (_, left) = counted(|| {
            // SAFETY: It is mounted.
            let removed = mounted(None, |mount| unsafe {
                let _ = make_directory(mount, c"a");
                [WHAT, NOTHING].map(|wrong| {
                    WRONG.store(wrong, Relaxed);
                    remove(mount, c"a")
                })
            })?;
            assert_eq!(removed, [Err(EISDIR), Ok(())]);
            Ok(())
        })?;
        assert_eq!(left, 0);
        Ok(())
    }

    #[test]
    fn a_removal_that_was_done_is_told() -> Result {
        let (_, left) = counted(|| {
            // SAFETY: It is mounted.
            let (removed, again) = mounted(None, |mount| unsafe {
                let names = [c"a", c"b"];
                let _ = (make_directory(mount, c"a"), make_pipe(mount, c"b"));
                WRONG.store(ANSWER, Relaxed);
                let removed = names.map(|name| remove(mount, name));
                WRONG.store(NOTHING, Relaxed);
                (removed, names.map(|name| remove(mount, name)))
            })?;
            assert_eq!(removed, [Ok(()); 2]);
            assert_eq!(again, [Err(ENOENT); 2]);
            Ok(())
        })?;
        assert_eq!(left, 0);
        Ok(())
    }

    #[test]
    fn a_name_is_given_to_what_is_asked_for() -> Result {
        let (made, left) = counted(|| {
            // SAFETY: It is mounted.
            let made = mounted(None, |mount| unsafe {
                [KIND, NOTHING].map(|wrong| {
                    WRONG.store(wrong, Relaxed);
                    (make_directory(mount, c"a"), make_pipe(mount, c"b"))
                })
            })?;
            assert_eq!(made, [(Err(EINVAL), Err(EINVAL)), (Ok(()), Ok(()))]);
            Ok(())
        })?;
        // The options, the superblock, the root with the mark after it, and all four.
        assert_eq!(made, 8);
        assert_eq!(left, 0);
        Ok(())
    }

    #[test]
    fn a_name_is_registered_once() -> Result {
        registered(|_| {
            // A second one, which is never registered, and so need not stay where it is.
            //
            // SAFETY: See above.
            let second = KBox::pin_init(unsafe { Registration::<TestFs>::new() }, GFP_KERNEL);
            assert_eq!(second.err(), Some(EBUSY));
            Ok(())
        })
    }
}
