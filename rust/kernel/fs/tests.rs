// SPDX-License-Identifier: GPL-2.0

//! Tests of the abstractions, with a small filesystem that can be told to fail.

use super::{
    access::Mode,
    context::{
        ContextOperations,
        FsContext,
        Parameter, //
    },
    dentry::{
        Filled,
        Negative, //
    },
    inode::{
        New,
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
    error::{
        from_err_ptr,
        to_result, //
    },
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
use core::mem::MaybeUninit;

/// Where making a mount may fail.
const STEPS: [i32; 5] = [OPTIONS, PARAMETER, DATA, ROOT_DATA, ROOT];
const NOWHERE: i32 = 0;
const OPTIONS: i32 = 1;
const PARAMETER: i32 = 2;
const DATA: i32 = 3;
const ROOT_DATA: i32 = 4;
const ROOT: i32 = 5;

static WRONG: Atomic<bool> = Atomic::new(false);
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

#[vtable]
impl InodeOperations for Dir {
    type FileSystem = TestFs;

    fn mkdir<'d>(idmap: &MntIdmap, name: Negative<'d, TestFs>, mode: Mode) -> Result<Filled<'d>> {
        let owner = name.dir().new_owner(idmap)?;
        let new = New::directory::<Dir>(&owner, name.name(), mode, Counted::new(NOWHERE + 9))?;
        name.instantiate(new)
    }

    fn rename<'d>(_idmap: &MntIdmap, rename: Rename<'d, TestFs>) -> Result<Renamed<'d>> {
        // What is not asked for, where it is to go wrong.
        if rename.flags().has(Flags::EXCHANGE) != WRONG.load(Relaxed) {
            rename.exchange()
        } else {
            rename.replace(None)
        }
    }
}

/// Memory for a registration, static as lockdep wants it.
static mut REGISTRATION: MaybeUninit<Registration<TestFs>> = MaybeUninit::uninit();

/// Does something while the filesystem is registered.
fn registered<R>(f: impl FnOnce(*mut bindings::file_system_type) -> Result<R>) -> Result<R> {
    let registration: *mut Registration<TestFs> = (&raw mut REGISTRATION).cast();
    // SAFETY: Tests run one after the other, and this leaves nothing mounted, so the registration
    // is initialized and dropped in turns. It is in static memory.
    unsafe {
        pin_init::raw_try_init(registration, Registration::<TestFs>::new())?;
        // CAST: The type is the first member.
        let result = f(registration.cast());
        core::ptr::drop_in_place(registration);
        result
    }
}

/// Does something while the filesystem is mounted, by the kernel itself.
///
/// # Safety
///
/// `fs_type` must be registered.
unsafe fn mounted<R>(
    fs_type: *mut bindings::file_system_type,
    options: Option<&'static CStr>,
    f: impl FnOnce(*mut bindings::vfsmount) -> R,
) -> Result<R> {
    let mut text = [0u8; 32];
    let data = match options {
        Some(options) => {
            let options = options.to_bytes_with_nul();
            text.get_mut(..options.len())
                .ok_or(EINVAL)?
                .copy_from_slice(options);
            text.as_mut_ptr().cast()
        }
        None => core::ptr::null_mut(),
    };
    // SAFETY: By the requirements above; `data` is null or a string that may be written to.
    unsafe {
        let flags = bindings::SB_KERNMOUNT as c_int;
        let mount = from_err_ptr(bindings::vfs_kern_mount(
            fs_type,
            flags,
            TestFs::NAME.as_char_ptr(),
            data,
        ))?;
        let result = f(mount);
        bindings::kern_unmount(mount);
        Ok(result)
    }
}

/// Makes a directory in the root of a mount.
///
/// # Safety
///
/// `mount` must be a mount of the filesystem.
unsafe fn make_directory(mount: *mut bindings::vfsmount, name: &CStr) -> Result {
    // SAFETY: By the requirements above.
    unsafe {
        let root = (*mount).mnt_root;
        let name = from_err_ptr(bindings::simple_start_creating(root, name.as_char_ptr()))?;
        let idmap = &raw mut bindings::nop_mnt_idmap;
        let made = bindings::vfs_mkdir(idmap, (*root).d_inode, name, 0o755, core::ptr::null_mut());
        // It ends what was started also where it fails.
        bindings::end_dirop(made);
        from_err_ptr(made).map(|_| ())
    }
}

/// Calls the operation that makes a directory as the VFS would for a caller who has no name in the
/// filesystem, if it did not look for that itself.
///
/// # Safety
///
/// `mount` must be a mount of the filesystem.
unsafe fn make_unmapped(mount: *mut bindings::vfsmount, name: &CStr) -> Result {
    // SAFETY: By the requirements above.
    unsafe {
        let root = (*mount).mnt_root;
        let dir = (*root).d_inode;
        let name = from_err_ptr(bindings::simple_start_creating(root, name.as_char_ptr()))?;
        let made = match (*(*dir).i_op).mkdir {
            Some(mkdir) => mkdir(&raw mut bindings::invalid_mnt_idmap, dir, name, 0o755),
            None => EINVAL.to_ptr(),
        };
        bindings::end_dirop(name);
        from_err_ptr(made).map(|_| ())
    }
}

/// Finds a name in a directory; the answer is a reference, or null.
///
/// # Safety
///
/// `dir` must be a directory of the filesystem.
unsafe fn find(dir: *mut bindings::dentry, name: &CStr) -> *mut bindings::dentry {
    let mut text: bindings::qstr = pin_init::zeroed();
    text.name = name.as_char_ptr().cast();
    text.__bindgen_anon_1.__bindgen_anon_1.len = name.count_bytes() as u32;
    // SAFETY: By the requirements above; all names are in the dentry cache.
    unsafe {
        let hash = bindings::full_name_hash(
            dir.cast(),
            name.as_char_ptr(),
            text.__bindgen_anon_1.__bindgen_anon_1.len,
        );
        text.__bindgen_anon_1.__bindgen_anon_1.hash = hash;
        bindings::d_lookup(dir, &text)
    }
}

/// Gives something in the root of a mount the name of something else there.
///
/// # Safety
///
/// `mount` must be a mount of the filesystem.
unsafe fn rename(mount: *mut bindings::vfsmount, old: &CStr, new: &CStr, flags: u32) -> Result {
    // SAFETY: By the requirements above. The lock keeps the names.
    unsafe {
        let root = (*mount).mnt_root;
        // As the VFS does: it locks what is renamed, too.
        let parent = bindings::inode_i_mutex_lock_class_I_MUTEX_PARENT;
        bindings::inode_lock_nested((*root).d_inode, parent);
        let (old, new) = (find(root, old), find(root, new));
        let result = if old.is_null() || new.is_null() {
            Err(ENOENT)
        } else {
            let mut data = bindings::renamedata {
                mnt_idmap: &raw mut bindings::nop_mnt_idmap,
                old_parent: root,
                old_dentry: old,
                new_parent: root,
                new_dentry: new,
                delegated_inode: core::ptr::null_mut(),
                flags,
            };
            to_result(bindings::vfs_rename(&mut data))
        };
        bindings::dput(old);
        bindings::dput(new);
        bindings::inode_unlock((*root).d_inode);
        result
    }
}

#[macros::kunit_tests(rust_fs)]
mod cases {
    use super::*;

    /// How many things were made, and how many are left.
    fn counted(f: impl FnOnce() -> Result) -> Result<(i32, i32)> {
        let (alive, made) = (ALIVE.load(Relaxed), MADE.load(Relaxed));
        f()?;
        Ok((MADE.load(Relaxed) - made, ALIVE.load(Relaxed) - alive))
    }

    #[test]
    fn what_a_mount_keeps_is_dropped_with_it() -> Result {
        let (made, left) = counted(|| {
            // SAFETY: It is registered.
            let (mode, made, again, other, links) = registered(|fs_type| unsafe {
                mounted(fs_type, Some(c"mode=1751"), |mount| {
                    let root = (*(*mount).mnt_root).d_inode;
                    let mode = u32::from((*root).i_mode);
                    let made = make_directory(mount, c"a");
                    let again = make_directory(mount, c"a");
                    let other = make_directory(mount, c"b");
                    (mode, made, again, other, (*root).__bindgen_anon_1.i_nlink)
                })
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
                // SAFETY: It is registered.
                let result = registered(|fs_type| unsafe { mounted(fs_type, options, |_| ()) });
                FAILING.store(NOWHERE, Relaxed);
                assert_eq!(result, Err(EDOM));
                Ok(())
            });
            assert_eq!(result?.1, 0);
        }
        Ok(())
    }

    #[test]
    fn options_that_are_wrong_are_refused() -> Result {
        for options in [c"mode=8", c"mode=10000", c"mode", c"fails=1", c"unknown"] {
            let (_, left) = counted(|| {
                let options = Some(options);
                // SAFETY: It is registered.
                let result = registered(|fs_type| unsafe { mounted(fs_type, options, |_| ()) });
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
            // SAFETY: It is registered.
            let (refused, links, made) = registered(|fs_type| unsafe {
                mounted(fs_type, None, |mount| {
                    let refused = make_unmapped(mount, c"a");
                    let root = (*(*mount).mnt_root).d_inode;
                    let links = (*root).__bindgen_anon_1.i_nlink;
                    (refused, links, make_directory(mount, c"a"))
                })
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
            // SAFETY: It is registered.
            let (wrong, right) = registered(|fs_type| unsafe {
                mounted(fs_type, None, |mount| {
                    let _ = (make_directory(mount, c"a"), make_directory(mount, c"b"));
                    let links = || (*(*(*mount).mnt_root).d_inode).__bindgen_anon_1.i_nlink;
                    let renamed = |flags| (rename(mount, c"a", c"b", flags), links());
                    WRONG.store(true, Relaxed);
                    let asked = [bindings::RENAME_EXCHANGE, 0, bindings::RENAME_WHITEOUT];
                    let wrong = asked.map(renamed);
                    WRONG.store(false, Relaxed);
                    // A whiteout is wrong in any case. In this order two change places, and one
                    // takes the place of the other; then there is one left.
                    let asked = [bindings::RENAME_WHITEOUT, bindings::RENAME_EXCHANGE, 0];
                    (wrong, asked.map(renamed))
                })
            })?;
            assert_eq!(wrong, [(Err(EINVAL), 4); 3]);
            assert_eq!(right, [(Err(EINVAL), 4), (Ok(()), 4), (Ok(()), 3)]);
            Ok(())
        })?;
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
