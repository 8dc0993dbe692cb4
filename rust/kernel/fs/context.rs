// SPDX-License-Identifier: GPL-2.0

//! Making and changing mounts: the options, and how they are said to be wrong.
//!
//! C headers: [`include/linux/fs_context.h`](srctree/include/linux/fs_context.h),
//! [`include/linux/fs_parser.h`](srctree/include/linux/fs_parser.h)

use super::{
    filesystem::FileSystem,
    super_block::{
        fill_super,
        SuperBlock, //
    },
    super_ops::SuperOperations, //
};
use crate::{
    bindings,
    error::{
        from_result,
        VTABLE_DEFAULT_ERROR, //
    },
    fmt,
    prelude::*,
    str::as_char_ptr_in_const_context,
    types::{
        NotThreadSafe,
        Opaque, //
    },
    uidgid::{
        Filesystem,
        FsGid,
        FsUid,
        Id,
        Kernel,
        Kgid,
        Kuid, //
    },
    user_namespace::{
        NamespaceKind,
        UserNamespace, //
    },
};
use core::marker::PhantomData;

/// A mount that is being made or changed.
///
/// # Invariants
///
/// Instances are valid for as long as they are borrowed, and used by one task at a time.
#[repr(transparent)]
pub struct FsContext {
    inner: Opaque<bindings::fs_context>,
    _not_send: NotThreadSafe,
}

impl FsContext {
    /// Makes a reference from a pointer.
    ///
    /// # Safety
    ///
    /// `ptr` must be valid for `'a`, and the caller must have the context for itself.
    pub(super) unsafe fn from_raw<'a>(ptr: *mut bindings::fs_context) -> &'a Self {
        // SAFETY: By the requirements above.
        //
        // CAST: `Self` is a transparent wrapper.
        unsafe { &*ptr.cast() }
    }

    /// The user namespace that the filesystem is mounted in, whose ids it stores.
    pub fn user_ns(&self) -> &UserNamespace {
        // SAFETY: The context holds the namespace, which it never changes.
        unsafe { UserNamespace::from_raw((*self.inner.get()).user_ns) }
    }

    /// An id as the filesystem stores it, if it stores it: if its user namespace has it.
    pub fn stored<K: NamespaceKind>(&self, id: Id<K, Kernel>) -> Option<Id<K, Filesystem>> {
        let id = id.cast();
        self.user_ns().from_kid(Some(id)).map(|_| id)
    }

    /// The ids of whoever began to mount, as the filesystem stores them.
    ///
    /// # Errors
    ///
    /// [`EOVERFLOW`] if it does not.
    pub fn caller(&self) -> Result<(FsUid, FsGid)> {
        // SAFETY: The context holds the credentials, which do not change.
        let (uid, gid) = unsafe {
            let cred = (*self.inner.get()).cred;
            ((*cred).fsuid.val, (*cred).fsgid.val)
        };
        let uid = Kuid::from_c(uid).and_then(|id| self.stored(id));
        let gid = Kgid::from_c(gid).and_then(|id| self.stored(id));
        uid.zip(gid).ok_or(EOVERFLOW)
    }

    /// Says in the context's log what is wrong, for [`EINVAL`] to be returned.
    ///
    /// Mirrors `invalfc()`: a program reads it from the descriptor of `fsopen()`; where there is
    /// none it goes to the kernel's log.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::fs::context::FsContext;
    /// use kernel::prelude::*;
    ///
    /// fn check(context: &FsContext, mode: u32) -> Result<u32> {
    ///     if mode > 0o7777 {
    ///         return Err(context.invalid(fmt!("mode={mode:o}: up to 7777 are permissions")));
    ///     }
    ///     Ok(mode)
    /// }
    /// ```
    #[must_use = "this only says it"]
    pub fn invalid(&self, message: fmt::Arguments<'_>) -> Error {
        let context = self.inner.get();
        // SAFETY: The context is valid, and `%pA` takes a pointer to `Arguments`.
        unsafe {
            bindings::logfc(
                (*context).log.log,
                (*context).log.prefix,
                b'e',
                c"%pA".as_char_ptr(),
                core::ptr::from_ref(&message).cast::<c_void>(),
            );
        }
        EINVAL
    }
}

/// What kind of value an option takes, and what takes it.
///
/// The functions have the context, to say there what is wrong with a value, and to ask it which ids
/// the filesystem can store.
enum ParamKind<O> {
    Octal(fn(&mut O, &FsContext, u32) -> Result),
    Text(fn(&mut O, &FsContext, &CStr) -> Result),
    Uid(fn(&mut O, &FsContext, Kuid) -> Result),
    Gid(fn(&mut O, &FsContext, Kgid) -> Result),
    Flag(fn(&mut O, &FsContext) -> Result),
}

/// A mount option: its name, the kind of its value, and the function that takes it.
///
/// What is not of the kind is refused before the function is called, and said in the log.
///
/// # Examples
///
/// ```
/// use kernel::fs::context::Parameter;
///
/// #[derive(Default)]
/// struct Options {
///     mode: Option<u32>,
/// }
///
/// const PARAMETERS: &[Parameter<Options>] = &[
///     Parameter::octal(c"mode", |options, _, mode| {
///         options.mode = Some(mode);
///         Ok(())
///     }),
/// ];
/// # assert_eq!(PARAMETERS.len(), 1);
/// ```
pub struct Parameter<O> {
    name: &'static CStr,
    kind: ParamKind<O>,
}

impl<O> Parameter<O> {
    /// A number in octal.
    pub const fn octal(name: &'static CStr, take: fn(&mut O, &FsContext, u32) -> Result) -> Self {
        let kind = ParamKind::Octal(take);
        Self { name, kind }
    }

    /// Text that is not empty.
    pub const fn text(name: &'static CStr, take: fn(&mut O, &FsContext, &CStr) -> Result) -> Self {
        let kind = ParamKind::Text(take);
        Self { name, kind }
    }

    /// A user, as whoever mounts calls it.
    pub const fn uid(name: &'static CStr, take: fn(&mut O, &FsContext, Kuid) -> Result) -> Self {
        let kind = ParamKind::Uid(take);
        Self { name, kind }
    }

    /// A group, as whoever mounts calls it.
    pub const fn gid(name: &'static CStr, take: fn(&mut O, &FsContext, Kgid) -> Result) -> Self {
        let kind = ParamKind::Gid(take);
        Self { name, kind }
    }

    /// No value.
    pub const fn flag(name: &'static CStr, take: fn(&mut O, &FsContext) -> Result) -> Self {
        let kind = ParamKind::Flag(take);
        Self { name, kind }
    }

    /// What C checks the value by.
    const fn spec(&self, opt: u8) -> bindings::fs_parameter_spec {
        let mut spec: bindings::fs_parameter_spec = pin_init::zeroed();
        spec.name = as_char_ptr_in_const_context(self.name);
        spec.opt = opt;
        match self.kind {
            ParamKind::Octal(_) => {
                spec.type_ = Some(bindings::fs_param_is_u32);
                // The base.
                spec.data = core::ptr::without_provenance(8);
            }
            ParamKind::Text(_) => spec.type_ = Some(bindings::fs_param_is_string),
            ParamKind::Uid(_) => spec.type_ = Some(bindings::fs_param_is_uid),
            ParamKind::Gid(_) => spec.type_ = Some(bindings::fs_param_is_gid),
            ParamKind::Flag(_) => {}
        }
        spec
    }
}

/// How many options a filesystem may have.
const MAX_PARAMETERS: usize = 16;

/// How a filesystem is mounted.
///
/// # Examples
///
/// A filesystem that is told how many there may be, once and for all:
///
/// ```
/// use kernel::{
///     fs::{context::{ContextOperations, FsContext, Parameter}, filesystem::FileSystem},
///     prelude::*,
/// };
///
/// struct MyFs;
///
/// #[vtable]
/// impl FileSystem for MyFs {
///     const NAME: &'static CStr = c"my_fs";
///     type Options = u32;
///     type Data = u32;
///     type InodeData = ();
/// }
///
/// #[vtable]
/// impl ContextOperations for MyFs {
///     const PARAMETERS: &'static [Parameter<u32>] = &[Parameter::octal(
///         c"most",
///         |most, context, number| {
///             if number == 0 {
///                 return Err(context.invalid(fmt!("most=0: there has to be one")));
///             }
///             *most = number;
///             Ok(())
///         },
///     )];
///
///     fn options(_context: &FsContext) -> Result<u32> {
///         Ok(0o100)
///     }
///
///     fn data(most: u32, _context: &FsContext) -> impl PinInit<u32, Error> {
///         Ok(most)
///     }
/// }
/// ```
#[vtable]
pub trait ContextOperations: FileSystem {
    /// The mount options.
    const PARAMETERS: &'static [Parameter<Self::Options>] = &[];

    /// The options where none is given yet, of a new mount or of one that is about to be changed.
    ///
    /// # Errors
    ///
    /// Whatever is returned ends the mount.
    fn options(context: &FsContext) -> Result<Self::Options>;

    /// What a new superblock keeps, made of the options.
    ///
    /// # Errors
    ///
    /// Whatever is returned ends the mount; the options are gone then.
    fn data(options: Self::Options, context: &FsContext) -> impl PinInit<Self::Data, Error>;

    /// Changes a superblock that is mounted by the options, all of them or none.
    ///
    /// # Errors
    ///
    /// Whatever is returned is what changing it fails with.
    fn reconfigure(
        _super_block: &SuperBlock<Self>,
        _options: &Self::Options,
        _context: &FsContext,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// C's table of a filesystem's [`ContextOperations`].
///
/// `fs_private` of a context whose operations are these is what a `KBox` of the options was turned
/// into, or null.
pub(super) struct ContextVTable<T>(PhantomData<T>);

impl<T: ContextOperations + SuperOperations> ContextVTable<T> {
    const OPERATIONS: bindings::fs_context_operations = bindings::fs_context_operations {
        free: Some(Self::free),
        parse_param: Some(Self::parse_param),
        get_tree: Some(Self::get_tree),
        reconfigure: if T::HAS_RECONFIGURE {
            Some(Self::reconfigure)
        } else {
            None
        },
        ..pin_init::zeroed()
    };

    /// The options in C's form; an empty one is the end.
    pub(super) const PARAMETERS: &'static [bindings::fs_parameter_spec; MAX_PARAMETERS + 1] = &{
        let mut specs = [pin_init::zeroed::<bindings::fs_parameter_spec>(); MAX_PARAMETERS + 1];
        assert!(T::PARAMETERS.len() <= MAX_PARAMETERS);
        let mut i = 0;
        while i < T::PARAMETERS.len() {
            specs[i] = T::PARAMETERS[i].spec(i as u8);
            i += 1;
        }
        specs
    };

    /// # Safety
    ///
    /// `context` must be valid and new, and the caller must have it for itself.
    pub(super) unsafe extern "C" fn init_fs_context(context: *mut bindings::fs_context) -> c_int {
        from_result(|| {
            // SAFETY: By the requirements above.
            let options = T::options(unsafe { FsContext::from_raw(context) })?;
            let options = KBox::new(options, GFP_KERNEL)?;
            // SAFETY: As above; the table is static.
            unsafe {
                (*context).fs_private = KBox::into_raw(options).cast();
                (*context).ops = &Self::OPERATIONS;
            }
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `context` must be valid, its operations must be these, and the caller must have it for
    /// itself.
    unsafe extern "C" fn free(context: *mut bindings::fs_context) {
        // SAFETY: By the requirements above.
        drop(unsafe { Self::take_options(context) });
    }

    /// Takes the options out of a context, if they are still in it.
    ///
    /// # Safety
    ///
    /// As for [`Self::free`].
    pub(super) unsafe fn take_options(
        context: *mut bindings::fs_context,
    ) -> Option<KBox<T::Options>> {
        // SAFETY: By the requirements above `fs_private` is what it is said to be, and is null
        // from here on.
        unsafe {
            let options = core::mem::replace(&mut (*context).fs_private, core::ptr::null_mut());
            (!options.is_null()).then(|| KBox::from_raw(options.cast()))
        }
    }

    /// # Safety
    ///
    /// As for [`Self::free`]; `parameter` must be valid.
    unsafe extern "C" fn parse_param(
        context: *mut bindings::fs_context,
        parameter: *mut bindings::fs_parameter,
    ) -> c_int {
        let mut result: bindings::fs_parse_result = pin_init::zeroed();
        // SAFETY: By the requirements above; the table ends with an empty specification.
        let opt = unsafe {
            let specs = Self::PARAMETERS.as_ptr();
            bindings::__fs_parse(&mut (*context).log, specs, parameter, &mut result)
        };
        let Ok(index) = usize::try_from(opt) else {
            // An error; if nobody knows the option it is the VFS that says so.
            return opt;
        };
        from_result(|| {
            let kind = &T::PARAMETERS.get(index).ok_or(EINVAL)?.kind;
            // SAFETY: By the requirements above.
            let cx = unsafe { FsContext::from_raw(context) };
            // SAFETY: There are options for as long as options are parsed, and nobody else has the
            // context.
            let options = unsafe { (*context).fs_private.cast::<T::Options>().as_mut() };
            let options = options.ok_or(EINVAL)?;
            let value = &result.__bindgen_anon_1;
            match kind {
                // SAFETY: This is the member that the option's type fills in.
                ParamKind::Octal(take) => take(options, cx, unsafe { value.uint_32 }),
                ParamKind::Text(take) => {
                    // SAFETY: `fs_param_is_string()` has made sure that it is a string.
                    let text = unsafe { CStr::from_char_ptr((*parameter).__bindgen_anon_1.string) };
                    take(options, cx, text)
                }
                // SAFETY: This is the member that the option's type fills in.
                ParamKind::Uid(take) => match Kuid::from_c(unsafe { value.uid.val }) {
                    Some(uid) => take(options, cx, uid),
                    None => Err(EINVAL),
                },
                // SAFETY: This is the member that the option's type fills in.
                ParamKind::Gid(take) => match Kgid::from_c(unsafe { value.gid.val }) {
                    Some(gid) => take(options, cx, gid),
                    None => Err(EINVAL),
                },
                ParamKind::Flag(take) => take(options, cx),
            }?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// As for [`Self::free`].
    unsafe extern "C" fn get_tree(context: *mut bindings::fs_context) -> c_int {
        // SAFETY: By the requirements above; the superblock's `kill_sb` is the one that belongs to
        // `get_tree_nodev()`.
        unsafe { bindings::get_tree_nodev(context, Some(fill_super::<T>)) }
    }

    /// # Safety
    ///
    /// As for [`Self::free`]; `root` must be set, to a dentry of a superblock of `T`.
    unsafe extern "C" fn reconfigure(context: *mut bindings::fs_context) -> c_int {
        from_result(|| {
            // SAFETY: By the requirements above; the context holds the superblock.
            let (super_block, cx, options) = unsafe {
                (
                    SuperBlock::from_raw((*(*context).root).d_sb),
                    FsContext::from_raw(context),
                    (*context).fs_private.cast::<T::Options>().as_ref(),
                )
            };
            T::reconfigure(super_block, options.ok_or(EINVAL)?, cx)?;
            Ok(0)
        })
    }
}
