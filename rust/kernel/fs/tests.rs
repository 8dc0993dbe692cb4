// SPDX-License-Identifier: GPL-2.0

//! Tests of the abstractions, with a small filesystem whose operations can be made to fail.

mod attributes;
mod caller;
mod calls;
mod files;
mod mount;
mod names;
mod open;
mod open_files;

use super::{
    context::{
        ContextOperations,
        FsContext,
        Parameter, //
    },
    dentry::{
        Filled,
        LookedUp,
        Lookup,
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
const NO_STEP: i32 = 0;
const OPTIONS: i32 = 1;
const PARAMETER: i32 = 2;
const DATA: i32 = 3;
const ROOT_DATA: i32 = 4;
const ROOT: i32 = 5;
/// The creation of an inode after the mount.
const NEW_INODE: i32 = 6;

/// The deviation from their usual behaviour that operations show: a constant of [`fault`].
static FAULT: Atomic<i32> = Atomic::new(fault::NONE);

mod fault {
    pub(super) const NONE: i32 = 0;
    /// `rename()` and `rmdir()` call the method for another case. `read()` returns
    /// [`EIOCBQUEUED`](crate::error::code::EIOCBQUEUED).
    pub(super) const OTHER_CALL: i32 = 1;
    /// Operations return an error after they have succeeded.
    pub(super) const LATE_ERROR: i32 = 2;
    /// Operations create an inode of another file type, and emit invalid names.
    pub(super) const OTHER_TYPE: i32 = 3;
    /// `write()` sets the size.
    pub(super) const SETS_SIZE: i32 = 4;
    /// `populate()` creates an entry.
    pub(super) const POPULATES: i32 = 5;
    /// `open()` fails.
    pub(super) const NO_OPEN: i32 = 6;
    /// `mmap()` fails.
    pub(super) const NO_MMAP: i32 = 7;
}

/// The step that fails.
static FAILING_STEP: Atomic<i32> = Atomic::new(NO_STEP);
/// The number of objects that exist.
static EXISTING: Atomic<i32> = Atomic::new(0);
/// The number of objects that were created.
static CREATED: Atomic<i32> = Atomic::new(0);

/// An object that is counted until it is dropped.
struct Counted;

impl Counted {
    /// Creates an object. Fails if the mount must fail at this step.
    fn new(step: i32) -> Result<Self> {
        if FAILING_STEP.load(Relaxed) == step {
            return Err(EDOM);
        }
        EXISTING.fetch_add(1, Relaxed);
        CREATED.fetch_add(1, Relaxed);
        Ok(Self)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        EXISTING.fetch_sub(1, Relaxed);
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
        if FAULT.load(Relaxed) != fault::POPULATES {
            return Ok(());
        }
        for name in [c"", c".", c"..", c"a/b"] {
            if root.entry(name).err() != Some(EINVAL) {
                return Err(EDOM);
            }
        }
        let entry = root.entry(c"populated")?;
        let owner = root.owner(root.inode().super_block().data().owner);
        let new = directory_or_pipe(&owner, entry.name(), true)?;
        entry.instantiate(new);
        match root.entry(c"populated").err() {
            Some(error) if error == EEXIST => Ok(()),
            _ => Err(EDOM),
        }
    }
}

struct Dir;

/// Creates a directory or a named pipe.
fn directory_or_pipe(
    owner: &NewOwner<'_, TestFs>,
    name: &Name,
    directory: bool,
) -> Result<New<TestFs>> {
    let (mode, data) = (Mode::new(0o755), Node::new(NEW_INODE));
    match directory {
        true => New::directory::<Dir>(owner, name, mode, data),
        false => New::special::<Dir>(owner, name, mode.with(Mode::S_IFIFO), 0, data),
    }
}

/// Returns `done`, or an error in its place for [`fault::LATE_ERROR`].
fn with_late_error<R>(done: Result<R>) -> Result<R> {
    match FAULT.load(Relaxed) {
        fault::LATE_ERROR => Err(EDOM),
        _ => done,
    }
}

#[vtable]
impl InodeOperations for Dir {
    type FileSystem = TestFs;

    /// Generates the directory `generated`, directories whose name begins with `0`, and the regular
    /// file `file-generated`.
    fn lookup<'d>(lookup: Lookup<'d, TestFs>) -> Result<LookedUp<'d>> {
        let owner = lookup.owner(lookup.dir().super_block().data().owner);
        let new = match lookup.name().as_bytes() {
            b"generated" | [b'0', ..] => directory_or_pipe(&owner, lookup.name(), true)?,
            b"file-generated" => files::file(&owner, lookup.name(), Mode::new(0o600))?,
            _ => return lookup.negative(),
        };
        lookup.instantiate(new)
    }

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
        let new = directory_or_pipe(
            &owner,
            name.name(),
            FAULT.load(Relaxed) != fault::OTHER_TYPE,
        )?;
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
            let device = device + u32::from(FAULT.load(Relaxed) == fault::OTHER_TYPE);
            let data = Node::new(NEW_INODE);
            let new = New::special::<Dir>(&owner, name.name(), mode, device, data)?;
            return name.instantiate(new);
        }
        let new = directory_or_pipe(
            &owner,
            name.name(),
            FAULT.load(Relaxed) == fault::OTHER_TYPE,
        )?;
        name.instantiate(new)
    }

    fn rename<'d>(idmap: &MntIdmap, rename: Rename<'d, TestFs>) -> Result<Renamed<'d>> {
        let shown = FAULT.load(Relaxed);
        let renamed = if rename.flags().has(RenameFlags::EXCHANGE) != (shown == fault::OTHER_CALL) {
            rename.exchange()
        } else if shown == fault::OTHER_TYPE {
            let owner = rename.old_dir().new_owner(idmap)?;
            let new = directory_or_pipe(&owner, rename.name(), false)?;
            rename.replace(Some(new))
        } else {
            rename.replace(None)
        };
        with_late_error(renamed)
    }

    fn unlink<'d>(victim: Victim<'d, TestFs>) -> Result<Removed<'d>> {
        with_late_error(victim.unlink())
    }

    fn rmdir<'d>(victim: Victim<'d, TestFs>) -> Result<Removed<'d>> {
        match FAULT.load(Relaxed) {
            fault::OTHER_CALL => victim.unlink(),
            _ => with_late_error(victim.rmdir()),
        }
    }

    fn listxattr(inode: &Inode<TestFs>, list: &mut NameList) -> Result {
        attributes::list(inode, list)
    }
}

/// Returns the number of objects that were created, and of those that are left.
fn counted(f: impl FnOnce() -> Result) -> Result<(i32, i32)> {
    let (alive, made) = (EXISTING.load(Relaxed), CREATED.load(Relaxed));
    f()?;
    Ok((CREATED.load(Relaxed) - made, EXISTING.load(Relaxed) - alive))
}
