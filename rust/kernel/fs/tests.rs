// SPDX-License-Identifier: GPL-2.0

//! Tests of the abstractions, with a small filesystem whose operations can be made to fail.

mod attributes;
mod caller;
mod calls;
mod files;

use super::{
    context::{
        ContextOperations,
        FsContext,
        Parameter, //
    },
    dentry::{
        Filled,
        Name,
        Negative,
        Removed,
        Victim, //
    },
    filesystem::FileSystem,
    inode::{
        Inode,
        InodeLocked, //
    },
    inode_ops::InodeOperations,
    memfs::RootDir,
    mnt_idmapping::MntIdmap,
    mode::Mode,
    new_inode::{
        New,
        NewOwner,
        Root, //
    },
    registration::Registration,
    rename::{
        Rename,
        RenameFlags,
        Renamed, //
    },
    super_block::SuperBlock,
    super_ops::SuperOperations,
    xattr::{
        Handlers,
        NameList, //
    },
};
use crate::{
    bindings,
    page::PAGE_SIZE,
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

/// The steps of a mount that can be made to fail.
const STEPS: [i32; 5] = [OPTIONS, PARAMETER, DATA, ROOT_DATA, ROOT];
const NOWHERE: i32 = 0;
const OPTIONS: i32 = 1;
const PARAMETER: i32 = 2;
const DATA: i32 = 3;
const ROOT_DATA: i32 = 4;
const ROOT: i32 = 5;

/// The wrong behaviour of operations that a test checks for.
static WRONG: Atomic<i32> = Atomic::new(NOTHING);
const NOTHING: i32 = 0;
/// Operations do something else.
const WHAT: i32 = 1;
/// Operations succeed, and return an error.
const ANSWER: i32 = 2;
/// Operations create an inode of another file type.
const KIND: i32 = 3;
/// `write()` sets the size.
const SIZED: i32 = 4;
/// The root directory is populated.
const POPULATE: i32 = 5;

static FAILING: Atomic<i32> = Atomic::new(NOWHERE);
static ALIVE: Atomic<i32> = Atomic::new(0);
static MADE: Atomic<i32> = Atomic::new(0);

/// An object that is counted until it is dropped.
struct Counted;

impl Counted {
    /// Creates an object, unless the mount is to fail at this step.
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

/// The data of an inode.
struct Node {
    _counted: Counted,
    /// The number of writes.
    writes: InodeLocked<u32>,
}

impl Node {
    fn new(step: i32) -> Result<Self> {
        Ok(Self {
            _counted: Counted::new(step)?,
            writes: InodeLocked::new(0),
        })
    }
}

struct Options {
    _counted: Counted,
    mode: u16,
    value: u64,
}

struct Mounted {
    _counted: Counted,
    owner: (FsUid, FsGid),
    mode: u16,
    value: u64,
}

struct TestFs;

#[vtable]
impl FileSystem for TestFs {
    const NAME: &'static CStr = c"rust_fs_kunit";
    type Options = Options;
    type Data = Mounted;
    type InodeData = Node;
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
        Parameter::number(c"number", |options, _, number| {
            options.value = number;
            Ok(())
        }),
        Parameter::size(c"size", |options, _, size| {
            options.value = size;
            Ok(())
        }),
        Parameter::bool(c"bool", |options, _, value| {
            options.value = value.into();
            Ok(())
        }),
        Parameter::choice(c"choice", &[c"zero", c"one"], |options, _, index| {
            options.value = index as u64;
            Ok(())
        }),
    ];

    fn options(_context: &FsContext) -> Result<Options> {
        Ok(Options {
            _counted: Counted::new(OPTIONS)?,
            mode: 0o700,
            value: 0,
        })
    }

    fn data(options: Options, context: &FsContext) -> impl PinInit<Mounted, Error> {
        let mounted = || {
            Ok(Mounted {
                _counted: Counted::new(DATA)?,
                owner: context.caller()?,
                mode: options.mode,
                value: options.value,
            })
        };
        mounted()
    }
}

#[vtable]
impl SuperOperations for TestFs {
    const MAGIC: u32 = 0x6b756e69;
    const XATTR: Handlers<Self> = Handlers::ALL;

    fn root(super_block: &SuperBlock<Self>) -> Result<Root<Self>> {
        let mounted = super_block.data();
        let root = New::root::<Dir>(
            super_block,
            mounted.owner,
            Mode::new(mounted.mode),
            Node::new(ROOT_DATA),
        )?;
        // If this fails, the root inode must be dropped.
        let _ = Counted::new(ROOT)?;
        Ok(root)
    }

    fn populate(root: &RootDir<'_, Self>) -> Result {
        if WRONG.load(Relaxed) != POPULATE {
            return Ok(());
        }
        for name in [c"", c".", c"..", c"a/b"] {
            if root.entry(name).err() != Some(EINVAL) {
                return Err(EDOM);
            }
        }
        let entry = root.entry(c"populated")?;
        let owner = root.owner(root.inode().super_block().data().owner);
        let new = some(&owner, entry.name(), true)?;
        entry.instantiate(new);
        match root.entry(c"populated").err() {
            Some(error) if error == EEXIST => Ok(()),
            _ => Err(EDOM),
        }
    }
}

struct Dir;

/// Creates a directory or a named pipe.
fn some(owner: &NewOwner<'_, TestFs>, name: &Name, directory: bool) -> Result<New<TestFs>> {
    let (mode, data) = (Mode::new(0o755), Node::new(NOWHERE + 9));
    match directory {
        true => New::directory::<Dir>(owner, name, mode, data),
        false => New::special::<Dir>(owner, name, mode.with(Mode::S_IFIFO), 0, data),
    }
}

/// Returns the result of an operation that has succeeded.
fn answer<R>(done: Result<R>) -> Result<R> {
    match WRONG.load(Relaxed) {
        ANSWER => Err(EDOM),
        _ => done,
    }
}

#[vtable]
impl InodeOperations for Dir {
    type FileSystem = TestFs;

    fn create<'d>(idmap: &MntIdmap, name: Negative<'d, TestFs>, mode: Mode) -> Result<Filled<'d>> {
        let owner = name.dir().new_owner(idmap)?;
        let new = files::file(&owner, name.name(), mode)?;
        name.instantiate(new)
    }

    fn mkdir<'d>(idmap: &MntIdmap, name: Negative<'d, TestFs>, mode: Mode) -> Result<Filled<'d>> {
        let owner = name.dir().new_owner(idmap)?;
        if name.name().as_bytes() == b"own" {
            let new = files::directory(&owner, name.name(), mode)?;
            return name.instantiate(new);
        }
        let new = some(&owner, name.name(), WRONG.load(Relaxed) != KIND)?;
        name.instantiate(new)
    }

    fn mknod<'d>(
        idmap: &MntIdmap,
        name: Negative<'d, TestFs>,
        mode: Mode,
        device: u32,
    ) -> Result<Filled<'d>> {
        let owner = name.dir().new_owner(idmap)?;
        if mode.kind() == Mode::new(bindings::S_IFCHR as u16) {
            // Another device number.
            let device = device + u32::from(WRONG.load(Relaxed) == KIND);
            let data = Node::new(NOWHERE + 9);
            let new = New::special::<Dir>(&owner, name.name(), mode, device, data)?;
            return name.instantiate(new);
        }
        let new = some(&owner, name.name(), WRONG.load(Relaxed) == KIND)?;
        name.instantiate(new)
    }

    fn rename<'d>(idmap: &MntIdmap, rename: Rename<'d, TestFs>) -> Result<Renamed<'d>> {
        let wrong = WRONG.load(Relaxed);
        let renamed = if rename.flags().has(RenameFlags::EXCHANGE) != (wrong == WHAT) {
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

    fn unlink<'d>(victim: Victim<'d, TestFs>) -> Result<Removed<'d>> {
        answer(victim.unlink())
    }

    fn rmdir<'d>(victim: Victim<'d, TestFs>) -> Result<Removed<'d>> {
        match WRONG.load(Relaxed) {
            WHAT => victim.unlink(),
            _ => answer(victim.rmdir()),
        }
    }

    fn listxattr(inode: &Inode<TestFs>, list: &mut NameList) -> Result {
        attributes::list(inode, list)
    }
}

#[macros::kunit_tests(rust_fs)]
mod cases {
    use super::{calls::*, *};

    /// Returns the number of objects that were created, and of those that are left.
    fn counted(f: impl FnOnce() -> Result) -> Result<(i32, i32)> {
        let (alive, made) = (ALIVE.load(Relaxed), MADE.load(Relaxed));
        f()?;
        Ok((MADE.load(Relaxed) - made, ALIVE.load(Relaxed) - alive))
    }

    #[test]
    fn unmount_drops_all_data() -> Result {
        let (made, left) = counted(|| {
            // SAFETY: `mount` is a mount of the filesystem.
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
        // The options, the superblock, the root inode, the object after it, two directories.
        assert_eq!(made, 6);
        assert_eq!(left, 0);
        Ok(())
    }

    #[test]
    fn failed_mount_drops_all_data() -> Result {
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
    fn superblock_without_acls_has_no_posixacl_flag() -> Result {
        // SAFETY: `mount` is a mount of the filesystem.
        let flags = mounted(None, |mount| unsafe { (*(*mount).mnt_sb).s_flags })?;
        assert_eq!(flags & bindings::SB_POSIXACL, 0);
        Ok(())
    }

    #[test]
    fn invalid_options_fail() -> Result {
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
    fn options_are_parsed() -> Result {
        let good = [
            (c"number=0x11", 17),
            (c"number=18446744073709551615", u64::MAX),
            (c"size=3", 3),
            (c"size=3k", 3 << 10),
            (c"size=2T", 2 << 40),
            (c"bool=yes", 1),
            (c"bool=0", 0),
            (c"choice=one", 1),
        ];
        for (options, value) in good {
            // SAFETY: `mount` is a mount of the filesystem.
            let parsed = mounted(Some(options), |mount| unsafe {
                SuperBlock::<TestFs>::from_raw((*mount).mnt_sb).data().value
            })?;
            assert_eq!(parsed, value);
        }
        let bad = [
            c"number=-1",
            c"number=1k",
            c"size=k",
            c"size=1x",
            c"size=16777216t",
            c"bool=2",
            c"choice=two",
            c"choice",
        ];
        for options in bad {
            assert_eq!(mounted(Some(options), |_| ()), Err(EINVAL));
        }
        Ok(())
    }

    #[test]
    fn root_is_populated_before_mount() -> Result {
        let (made, left) = counted(|| {
            WRONG.store(POPULATE, Relaxed);
            // SAFETY: `mount` is a mount of the filesystem.
            let found = mounted(None, |mount| unsafe {
                let found = find((*mount).mnt_root, c"populated");
                bindings::dput(found);
                (!found.is_null(), remove(mount, c"populated"))
            });
            WRONG.store(NOTHING, Relaxed);
            assert_eq!(found?, (true, Ok(())));
            Ok(())
        })?;
        // The options, the superblock, the root inode, the object after it, one directory.
        assert_eq!(made, 5);
        assert_eq!(left, 0);
        Ok(())
    }

    #[test]
    fn inode_lock_protects_data_of_its_inode_only() -> Result {
        let answers = opened(c"file", |file| {
            let writes = [file.write(0, b"a"), file.write(0, b"b")];
            (
                writes.map(|write| write.is_ok()),
                files::WRITES.load(Relaxed),
                files::FOREIGN.load(Relaxed),
            )
        });
        assert_eq!(answers?, ([true; 2], 2, 1));
        Ok(())
    }

    #[test]
    fn write_sets_size() -> Result {
        let answers = opened(c"file", |file| {
            let before = file.size();
            WRONG.store(SIZED, Relaxed);
            let write = file.write(3, b"abcdef");
            WRONG.store(NOTHING, Relaxed);
            (before, write, file.size())
        });
        assert_eq!(answers?, (0, Ok((4, 7)), 7));
        Ok(())
    }

    #[test]
    fn create_with_unmapped_fsuid_fails() -> Result {
        let (made, left) = counted(|| {
            // SAFETY: `mount` is a mount of the filesystem.
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
        // The options, the superblock, the root inode, the object after it, one directory.
        assert_eq!(made, 5);
        assert_eq!(left, 0);
        Ok(())
    }

    #[test]
    fn rename_with_other_flags_fails() -> Result {
        let (_, left) = counted(|| {
            // SAFETY: `mount` is a mount of the filesystem.
            let (wrong, kind, right) = mounted(None, |mount| unsafe {
                let _ = (make_directory(mount, c"a"), make_directory(mount, c"b"));
                let links = || (*(*(*mount).mnt_root).d_inode).__bindgen_anon_1.i_nlink;
                let renamed = |flags| (rename(mount, c"a", c"b", flags), links());
                WRONG.store(WHAT, Relaxed);
                let asked = [bindings::RENAME_EXCHANGE, 0, bindings::RENAME_WHITEOUT];
                let wrong = asked.map(renamed);
                // A named pipe as whiteout.
                WRONG.store(KIND, Relaxed);
                let kind = renamed(bindings::RENAME_WHITEOUT);
                WRONG.store(NOTHING, Relaxed);
                // A rename without the whiteout fails. Then both names are exchanged, and one
                // replaces the other.
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
    fn error_after_rename_is_ignored() -> Result {
        let (_, left) = counted(|| {
            // SAFETY: `mount` is a mount of the filesystem.
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
    fn unlink_of_directory_fails() -> Result {
        let (_, left) = counted(|| {
            // SAFETY: `mount` is a mount of the filesystem.
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
    fn error_after_removal_is_ignored() -> Result {
        let (_, left) = counted(|| {
            // SAFETY: `mount` is a mount of the filesystem.
            let (removed, again) = mounted(None, |mount| unsafe {
                let names = [c"a", c"b"];
                let _ = make_directory(mount, c"a");
                let _ = make_special(mount, c"b", bindings::S_IFIFO, 0);
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
    fn instantiate_with_other_file_type_fails() -> Result {
        let (made, left) = counted(|| {
            // SAFETY: `mount` is a mount of the filesystem.
            let made = mounted(None, |mount| unsafe {
                [KIND, NOTHING].map(|wrong| {
                    WRONG.store(wrong, Relaxed);
                    [
                        make_directory(mount, c"a"),
                        make_special(mount, c"b", bindings::S_IFIFO, 0),
                        make_special(mount, c"c", bindings::S_IFCHR, 0x100003),
                    ]
                })
            })?;
            assert_eq!(made, [[Err(EINVAL); 3], [Ok(()); 3]]);
            Ok(())
        })?;
        // The options, the superblock, the root inode, the object after it, and six inodes.
        assert_eq!(made, 10);
        assert_eq!(left, 0);
        Ok(())
    }

    /// Calls a function with an open file or directory of the name.
    fn opened<R>(name: &CStr, f: impl FnOnce(&Open) -> R) -> Result<R> {
        // SAFETY: `mount` is a mount of the filesystem.
        let result = mounted(None, |mount| unsafe {
            if name == c"own" {
                make_directory(mount, name)?;
            } else {
                make_file(mount, name)?;
            }
            Ok(f(&Open::new(mount, name)?))
        });
        result?
    }

    #[test]
    fn file_operations_read_and_write() -> Result {
        let (_, left) = counted(|| {
            let answers = opened(c"file", |file| {
                let mut bytes = [0; 8];
                let reads = [0, 6, 10, 11].map(|from| (file.read(from, &mut bytes), bytes));
                let write = file.write(3, b"abcdef");
                (reads, write, files::WRITTEN_TO.load(Relaxed))
            });
            let (reads, write, written_to) = answers?;
            // The number of bytes, and the position afterwards.
            assert_eq!(reads[0], (Ok((8, 8)), *b"01234567"));
            assert_eq!(reads[1], (Ok((4, 10)), *b"67894567"));
            assert_eq!((reads[2].0, reads[3].0), (Ok((0, 10)), Ok((0, 11))));
            assert_eq!((write, written_to), (Ok((4, 7)), 3));
            Ok(())
        })?;
        assert_eq!(left, 0);
        Ok(())
    }

    #[test]
    fn error_after_some_bytes_is_ignored() -> Result {
        let answers = opened(c"file", |file| {
            let mut bytes = [0; 4];
            WRONG.store(ANSWER, Relaxed);
            let answers = (
                file.read(0, &mut bytes),
                file.read(10, &mut bytes),
                file.write(0, b"abcdef"),
            );
            WRONG.store(WHAT, Relaxed);
            let queued = (file.read(0, &mut bytes), file.read(10, &mut bytes));
            WRONG.store(NOTHING, Relaxed);
            (answers, queued)
        });
        let (answers, queued) = answers?;
        assert_eq!(answers, (Ok((4, 4)), Err(EDOM), Ok((4, 4))));
        assert_eq!(queued, (Ok((4, 4)), Err(EIO)));
        Ok(())
    }

    #[test]
    fn unimplemented_ops_are_null() -> Result {
        let nothing = opened(c"nothing", |file| {
            file.table(|table| {
                (
                    table.read_iter.is_some(),
                    table.write_iter.is_some(),
                    table.splice_read.is_some(),
                    table.splice_write.is_some(),
                    table.unlocked_ioctl.is_some(),
                )
            })
        });
        assert_eq!(nothing?, (false, false, false, false, false));
        let refused = opened(c"nothing", |file| {
            (file.read(0, &mut [0]), file.write(0, b"a"))
        });
        assert_eq!(refused?, (Err(EINVAL), Err(EINVAL)));
        let directory = opened(c"own", |file| {
            file.table(|table| {
                (
                    table.read_iter.is_some(),
                    table.iterate_shared.is_some(),
                    table.unlocked_ioctl.is_some(),
                )
            })
        });
        assert_eq!(directory?, (false, true, true));
        Ok(())
    }

    #[test]
    fn ioctl_gets_idmap_of_mount() -> Result {
        let answers = opened(c"file", |file| {
            [(files::COMMAND, 3), (files::COMMAND + 1, 0)]
                .map(|(what, with)| file.ioctl(what, with))
        });
        assert_eq!(
            answers?,
            [files::COMMAND_ANSWER + 3, ENOTTY.to_errno() as isize]
        );
        Ok(())
    }

    #[test]
    fn want_write_on_read_only_mount_fails() -> Result {
        let answers = opened(c"own", |directory| {
            let ask = || directory.ioctl(files::COMMAND, 0);
            (ask(), directory.read_only(ask), ask())
        });
        let (good, refused) = (files::COMMAND_ANSWER, EROFS.to_errno() as isize);
        assert_eq!(answers?, (good, refused, good));
        Ok(())
    }

    #[test]
    fn truncate_keeps_fixed_size() -> Result {
        let of_own = opened(c"file", |file| (file.truncate(5), file.size()));
        assert_eq!(of_own?, (Ok(()), 0));
        let of_pages = opened(c"pages", |file| (file.truncate(5), file.size()));
        assert_eq!(of_pages?, (Err(EPERM), files::SIZE as i64));
        Ok(())
    }

    #[test]
    fn read_folio_gets_bytes_before_end_only() -> Result {
        let (read, asked_for) = opened(c"tail", |file| {
            let mut bytes = [9; 20];
            let read = (file.read(90, &mut bytes), bytes);
            (read, files::ASKED_FOR.load(Relaxed))
        })?;
        let mut expected = [9; 20];
        expected[..10].fill(1);
        assert_eq!(read, (Ok((10, 100)), expected));
        assert_eq!(asked_for, 100);
        Ok(())
    }

    #[test]
    fn read_folio_fills_pages() -> Result {
        let (_, left) = counted(|| {
            let answers = opened(c"pages", |file| {
                let (half, page) = (PAGE_SIZE as i64 / 2, PAGE_SIZE as i64);
                let mut bytes = [9; 4];
                let mut at = |from| (file.read(from, &mut bytes), bytes);
                (
                    [at(0), at(half - 2), at(page - 2), at(2 * page)],
                    // The page cannot be read: after some bytes, and at once.
                    at(3 * page - 2),
                    at(3 * page).0,
                    at(files::SIZE as i64).0,
                    file.write(0, b"a"),
                )
            });
            let (good, part, bad, end, write) = answers?;
            let page = PAGE_SIZE as i64;
            assert_eq!(good[0], (Ok((4, 4)), [1; 4]));
            assert_eq!(good[1], (Ok((4, page / 2 + 2)), [1, 1, 0, 0]));
            assert_eq!(good[2], (Ok((4, page + 2)), [0, 0, 2, 2]));
            assert_eq!(good[3], (Ok((4, 2 * page + 4)), [3; 4]));
            assert_eq!(part, (Ok((2, 3 * page)), [0, 0, 3, 3]));
            assert_eq!(bad, Err(EDOM));
            assert_eq!(end, Ok((0, files::SIZE as i64)));
            assert_eq!(write, Err(EINVAL));
            Ok(())
        })?;
        assert_eq!(left, 0);
        let huge = opened(c"huge", |_| ());
        assert_eq!(huge, Err(EFBIG));
        Ok(())
    }

    #[test]
    fn iterate_shared_lists_entries() -> Result {
        let (_, left) = counted(|| {
            let lists = opened(c"own", |directory| {
                let lists = [2, 1, 9, 9].map(|most| directory.names(most));
                WRONG.store(KIND, Relaxed);
                let wrong = directory.names(9);
                WRONG.store(NOTHING, Relaxed);
                (lists, wrong)
            });
            let ([dots, one, rest, end], wrong) = lists?;
            let (dots, one, rest) = (dots?, one?, rest?);
            let all = || {
                [&dots, &one, &rest]
                    .into_iter()
                    .flat_map(|some| some.iter())
            };
            assert_eq!((dots.len(), one.len(), rest.len()), (2, 1, 2));
            let names = [&b"."[..], b"..", b"one", b"two", b"three"];
            assert!(all().map(Listed::name).eq(names));
            assert!(all().skip(2).map(|entry| entry.ino).eq(100..103));
            let kinds = [bindings::DT_DIR, bindings::DT_FIFO];
            let kinds = [0, 0, 1, 1, 1].map(|kind: usize| kinds.get(kind).copied());
            assert!(all().map(|entry| Some(entry.kind)).eq(kinds));
            // There is no further entry, and invalid names are not emitted.
            assert_eq!((end?.len(), wrong?.len()), (0, 0));
            Ok(())
        })?;
        assert_eq!(left, 0);
        Ok(())
    }

    #[test]
    fn xattr_buffers_are_checked() -> Result {
        let (list, value) = (attributes::LIST, attributes::VALUE);
        // SAFETY: `mount` is a mount of the filesystem.
        let (names, values, others) = mounted(None, |mount| unsafe {
            let names = [0, list.len() - 1, list.len(), 99];
            let values = [0, value.len() - 1, value.len(), 99];
            let others = [c"user.none", c"user.long", c"user.b"];
            (
                names.map(|room| attributes::names(mount, room)),
                values.map(|room| attributes::value(mount, c"user.a", room)),
                others.map(|name| attributes::value(mount, name, 1).map(|value| value.len())),
            )
        })?;
        for (answers, expected) in [(names, list), (values, value)] {
            let [length, less, exact, more] = answers;
            assert_eq!(length?.len(), expected.len());
            assert_eq!(less.err(), Some(ERANGE));
            assert!(exact?[..] == *expected);
            assert!(more?[..] == *expected);
        }
        assert_eq!(others, [Ok(0), Err(E2BIG), Err(ENODATA)]);
        Ok(())
    }

    #[test]
    fn second_registration_fails() -> Result {
        registered(|_| {
            // SAFETY: The registration fails, so the memory is not used afterwards.
            let second = KBox::pin_init(unsafe { Registration::<TestFs>::new() }, GFP_KERNEL);
            assert_eq!(second.err(), Some(EBUSY));
            Ok(())
        })
    }
}
