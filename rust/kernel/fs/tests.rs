// SPDX-License-Identifier: GPL-2.0

//! Tests of the abstractions, with a small filesystem that can be told to fail.

mod attributes;
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
    inode::Inode,
    inode_ops::InodeOperations,
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
    const XATTR: Handlers<Self> = Handlers::ALL;

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
            // Another number, now and then.
            let device = device + u32::from(WRONG.load(Relaxed) == KIND);
            let data = Counted::new(NOWHERE + 9);
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

    fn unlink<'d>(entry: Victim<'d, TestFs>) -> Result<Removed<'d>> {
        answer(entry.unlink())
    }

    fn rmdir<'d>(entry: Victim<'d, TestFs>) -> Result<Removed<'d>> {
        match WRONG.load(Relaxed) {
            WHAT => entry.unlink(),
            _ => answer(entry.rmdir()),
        }
    }

    fn listxattr(inode: &Inode<TestFs>, list: &mut NameList) -> Result {
        attributes::list(inode, list)
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
    fn a_name_is_given_to_what_is_asked_for() -> Result {
        let (made, left) = counted(|| {
            // SAFETY: It is mounted.
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
        // The options, the superblock, the root with the mark after it, and all six.
        assert_eq!(made, 10);
        assert_eq!(left, 0);
        Ok(())
    }

    /// Does something with an open file or directory of the name.
    fn opened<R>(name: &CStr, f: impl FnOnce(&Open) -> R) -> Result<R> {
        // SAFETY: It is mounted.
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
    fn a_file_is_what_its_functions_say() -> Result {
        let (_, left) = counted(|| {
            let answers = opened(c"file", |file| {
                let mut bytes = [0; 8];
                let reads = [0, 6, 10, 11].map(|from| (file.read(from, &mut bytes), bytes));
                let write = file.write(3, b"abcdef");
                (reads, write, files::WRITTEN_TO.load(Relaxed))
            });
            let (reads, write, written_to) = answers?;
            // What was read is the number of bytes, and where the file goes on.
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
    fn an_error_after_some_bytes_does_not_count() -> Result {
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
    fn what_is_not_implemented_is_not_there() -> Result {
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
    fn an_ioctl_is_asked_with_the_map_of_the_mount() -> Result {
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
    fn what_is_changed_takes_a_mount_that_may_be_written_to() -> Result {
        let answers = opened(c"own", |directory| {
            let ask = || directory.ioctl(files::COMMAND, 0);
            (ask(), directory.read_only(ask), ask())
        });
        let (good, refused) = (files::COMMAND_ANSWER, EROFS.to_errno() as isize);
        assert_eq!(answers?, (good, refused, good));
        Ok(())
    }

    #[test]
    fn a_size_is_not_changed_where_there_is_none() -> Result {
        let of_own = opened(c"file", |file| (file.truncate(5), file.size()));
        assert_eq!(of_own?, (Ok(()), 0));
        let of_pages = opened(c"pages", |file| (file.truncate(5), file.size()));
        assert_eq!(of_pages?, (Err(EPERM), files::SIZE as i64));
        Ok(())
    }

    #[test]
    fn nothing_is_asked_for_after_the_end() -> Result {
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
    fn pages_are_read_once_and_errors_are_told() -> Result {
        let (_, left) = counted(|| {
            let answers = opened(c"pages", |file| {
                let (half, page) = (PAGE_SIZE as i64 / 2, PAGE_SIZE as i64);
                let mut bytes = [9; 4];
                let mut at = |from| (file.read(from, &mut bytes), bytes);
                (
                    [at(0), at(half - 2), at(page - 2), at(2 * page)],
                    // What cannot be read any more after some bytes, and at once.
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
    fn a_directory_lists_what_it_says() -> Result {
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
            // There is nothing after it, and no name that is none.
            assert_eq!((end?.len(), wrong?.len()), (0, 0));
            Ok(())
        })?;
        assert_eq!(left, 0);
        Ok(())
    }

    #[test]
    fn attributes_take_the_room_that_they_take() -> Result {
        let (list, value) = (attributes::LIST, attributes::VALUE);
        // SAFETY: It is mounted.
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
